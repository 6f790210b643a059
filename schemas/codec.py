"""Events to bytes and back: a CloudEvents 1.0 envelope in JSON, checked against the schema of its type and version.

Unknown fields of the data and of the envelope are ignored: a newer program may have added them. Every example in
`schemas/examples` of every version decodes with today's code, and a test holds us to it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override
from jsonschema_rs import Draft202012Validator, ValidationError

from schemas.errors import BadEvent
from schemas.events import ALL, Event, EventData
from schemas.upcasting import upcast

SOURCE = "/demixer"
CONTENT_TYPE = "application/cloudevents+json"

_CLASSES: Mapping[tuple[str, int], type[EventData]] = {(each.TYPE, each.VERSION): each for each in ALL}


def encode(event: Event) -> bytes:
    """Raises `BadEvent` if the data does not fit the schema of the event's type and version."""
    data = to_plain(event.data)
    try:
        validator(event.type, event.version).validate(data)
    except ValueError as error:
        raise _bad_event(event.type, event.version, error) from error
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/{event.type}/{event.version}",
        "data": data,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def decode(value: bytes) -> Event:
    """The event as its newest version has it. Raises `BadEvent` for anything that is no event we know."""
    event = decode_as_written(value)
    newest = upcast(event.data)
    return event if newest is event.data else Event(id=event.id, subject=event.subject, time=event.time, data=newest)


def decode_as_written(value: bytes) -> Event:
    """The event in the version it was written in. Raises `BadEvent` as `decode` does."""
    try:
        envelope = orjson.loads(value)
        if envelope["specversion"] != "1.0":
            raise ValueError(f"specversion {envelope['specversion']!r}")
        event_type, version = str(envelope["type"]), _version(envelope["dataschema"])
        time = datetime.fromisoformat(envelope["time"])
        event_id, subject, data = str(envelope["id"]), str(envelope["subject"]), envelope["data"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadEvent(f"no CloudEvents envelope: {error!r}") from error
    return Event(event_id, subject, time, _reader(event_type, version)(data))


def to_plain(data: EventData) -> dict[str, Any]:
    """`data` as JSON has it: dicts, lists, text, numbers."""
    plain: dict[str, Any] = _converter.unstructure(data)
    return plain


def from_plain(event_type: str, version: int, data: Any) -> EventData:
    """Undo `to_plain`. Raises `BadEvent` for an unknown type or version, and for data that does not fit its schema."""
    return _reader(event_type, version)(data)


@lru_cache
def _version(schema: str) -> int:
    return int(schema.rsplit("/", 1)[1])


def _bad_event(event_type: str, version: int, error: ValueError) -> BadEvent:
    """The data does not fit, or is nothing that JSON can carry."""
    reason = str(error)
    if isinstance(error, ValidationError):
        reason = f"{'.'.join(map(str, error.instance_path)) or 'data'}: {error.message}"
    return BadEvent(f"{event_type} {version}: {reason[:500]}")


@cache
def validator(event_type: str, version: int) -> Draft202012Validator:
    if (event_type, version) not in _CLASSES:
        raise BadEvent(f"unknown type or version: {event_type[:100]} {version}")
    path = files("schemas").joinpath("json", event_type, f"{version}.json")
    return Draft202012Validator(json.loads(path.read_text("utf-8")))


@cache
def _reader(event_type: str, version: int) -> Callable[[Any], EventData]:
    """A function that validates the data of a message and builds the event of it. Cached: every message needs it."""
    validate, kind = validator(event_type, version).validate, _CLASSES[event_type, version]
    structure = _converter.get_structure_hook(kind)

    def read(data: Any) -> EventData:
        try:
            validate(data)
        except ValueError as error:
            raise _bad_event(event_type, version, error) from error
        plain: EventData = structure(data, kind)
        return plain

    return read


def _new_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    for kind in ALL:
        names: Any = {each.name: override(omit=not each.metadata.get("wire", True)) for each in fields(kind)}
        converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter, **names))
    return converter


_converter = _new_converter()
