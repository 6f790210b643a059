"""Events to bytes and back: a CloudEvents 1.0 envelope in JSON, checked against the schema of its type and version.

A new optional field may join a version; anything else is a new version beside the old one. Every example in
`schemas/examples` of every version decodes with today's code, and a test holds us to it.
"""

import json
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError

from demixer.domain import Event
from demixer.domain.errors import BadEvent

SOURCE = "/demixer"
CONTENT_TYPE = "application/cloudevents+json"


def encode(event: Event) -> bytes:
    """Raises `BadEvent` if the data does not fit the schema of the event's type and version."""
    _check(event.type, event.version, event.data)
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/{event.type}/{event.version}",
        "data": event.data,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def decode(value: bytes) -> Event:
    """Raises `BadEvent` for anything that is no event of a type and version we know."""
    try:
        envelope = orjson.loads(value)
        event = _from_envelope(envelope)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadEvent(reason=f"no CloudEvents envelope: {error!r}") from error
    _check(event.type, event.version, event.data)
    return event


def _from_envelope(envelope: dict[str, Any]) -> Event:
    if envelope["specversion"] != "1.0":
        raise ValueError(f"specversion {envelope['specversion']!r}")
    return Event(
        id=str(envelope["id"]),
        type=str(envelope["type"]),
        subject=str(envelope["subject"]),
        time=datetime.fromisoformat(envelope["time"]),
        data=envelope["data"],
        version=_version(envelope["dataschema"]),
    )


@lru_cache
def _version(schema: str) -> int:
    return int(schema.rsplit("/", 1)[1])


def _check(event_type: str, version: int, data: object) -> None:
    try:
        validator(event_type, version).validate(data)
    except ValueError as error:  # it does not fit, or is nothing that JSON can carry
        raise BadEvent(type=event_type, version=version, reason=_reason(error)[:500]) from error


def _reason(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return f"{'.'.join(map(str, error.instance_path)) or 'data'}: {error.message}"


@cache
def validator(event_type: str, version: int) -> Draft202012Validator:
    path = files("schemas").joinpath("events", event_type, f"{version}.json")
    if "/" in event_type or "\\" in event_type or not path.is_file():
        raise BadEvent(type=event_type, version=version, reason="unknown type or version")
    return Draft202012Validator(json.loads(path.read_text("utf-8")))
