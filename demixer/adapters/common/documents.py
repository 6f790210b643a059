"""Domain values to plain documents (dicts, lists, text, numbers, as JSON has them) and back, by cattrs.

A field that a document lacks takes its default, and one that the class lacks is ignored: a field may be added to the
domain, with a default, without touching what is stored. Times are UTC, as text that sorts like the times.

Stored documents outlive the names in the code. A field that was renamed keeps its stored name (`STORED_NAMES`), so
documents of every version of the program are read and written alike.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from demixer.domain import Event, Relation, Separation, Song, SongState, Upload
from schemas import codec

T = TypeVar("T")

STORED_NAMES: Mapping[type, Mapping[str, str]] = {  # a field's name in the code: its name in stored documents
    Relation: {"type": "kinship", "missing_stems": "without", "lacks_stems": "less"},
    Separation: {"lease_owner": "runner"},
    Song: {
        "owner_id": "brought_by",
        "audio_key": "audio",
        "cover_key": "cover",
        "relations": "links",
        "merged_ids": "merged",
        "proposed_tags": "proposed",
    },
    Upload: {"audio_key": "audio", "given_tags": "given", "matched_by": "match", "waiting_for": "waits_for"},
}


def to_document(value: Any) -> Any:
    return _converter.unstructure(value)


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    return _converter.structure(document, kind)


def stored_name(kind: type, field: str) -> str:
    """The name under which a document holds `field` of `kind`."""
    return STORED_NAMES.get(kind, {}).get(field, field)


def to_text(time: datetime) -> str:
    """UTC with microseconds, always 32 characters."""
    if time.tzinfo is None:
        raise ValueError(f"a time without a time zone: {time}")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _bytes(value: str | bytes, _: object) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value)  # some engines store bytes as they are


def _new_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook(datetime, to_text)
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode())
    converter.register_structure_hook(bytes, _bytes)
    converter.register_unstructure_hook_func(lambda kind: _is(kind, StrEnum), lambda value: value.value)
    for kind in STORED_NAMES:
        _rename(converter, kind)
    converter.register_structure_hook(Song, _song_hook(converter.get_structure_hook(Song)))
    converter.register_unstructure_hook(Event, _event_document)
    converter.register_structure_hook(Event, _event)
    return converter


def _rename(converter: Converter, kind: Any) -> None:
    names: dict[str, Any] = {field.name: override(rename=stored_name(kind, field.name)) for field in fields(kind)}
    converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter, **names))
    converter.register_structure_hook(kind, make_dict_structure_fn(kind, converter, **names))


def _song_hook(structure: Callable[[Any, Any], Song]) -> Callable[[Any, Any], Song]:
    """Documents of version 0.1 have no `state`: it follows from three other fields."""

    def hook(document: Mapping[str, Any], kind: object) -> Song:
        return structure(document if "state" in document else {**document, "state": _state_of(document)}, kind)

    return hook


def _state_of(document: Mapping[str, Any]) -> SongState:
    if document.get("removed"):
        return SongState.WITHDRAWN
    if document.get("merged_into"):
        return SongState.MERGED
    return SongState.ACTIVE if document.get("listed") else SongState.PENDING


def _event_document(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "version": event.version,
        "subject": event.subject,
        "time": to_text(event.time),
        "data": codec.to_plain(event.data),
    }


def _event(document: Mapping[str, Any], _: object) -> Event:
    """In the version it was written in: an entry of the outbox is published as it was saved."""
    data = codec.from_plain(document["type"], int(document.get("version", 1)), document["data"])
    time = datetime.fromisoformat(document["time"])
    return Event(id=document["id"], subject=document["subject"], time=time, data=data)


def _is(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


_converter = _new_converter()
