"""Domain values to plain documents (dicts, lists, text, numbers, as JSON has them) and back, by their type hints.

A field that a document lacks takes its default, and one that the class lacks is ignored: a field may be added to the
domain, with a default, without touching what is stored. Times are UTC, as text that sorts like the times.
"""

import base64
import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_document(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: to_document(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_document(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value


def from_document(kind: type[T], document: Mapping[str, Any]) -> T:
    known = _hints(cast(Hashable, kind))
    return kind(**{name: _revive(known[name], value) for name, value in document.items() if name in known})


def to_text(time: datetime) -> str:
    """UTC with microseconds, always 32 characters."""
    if time.tzinfo is None:
        raise ValueError(f"a time without a time zone: {time}")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(cast(type, kind))


def _revive(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        return _revive(next(part for part in get_args(hint) if part is not types.NoneType), value)
    if get_origin(hint) is tuple:
        return tuple(_revive(get_args(hint)[0], item) for item in value)
    return _revive_plain(hint, value)


def _revive_plain(hint: Any, value: Any) -> Any:
    if is_dataclass(hint):
        return from_document(cast(type, hint), value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is bytes:
        return value if isinstance(value, bytes) else base64.b64decode(value)  # some engines store bytes as they are
    return hint(value) if isinstance(hint, type) and issubclass(hint, StrEnum | float | int) else value
