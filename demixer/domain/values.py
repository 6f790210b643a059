"""Small values that several aggregates share: tags, people, failures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from demixer.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a code of `demixer.domain.messages` and what fills the sentence in."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What a file, or a person, says about a song. Empty text means unknown."""

    artist: str = ""
    album: str = ""
    title: str = ""
    year: int | None = None

    def over(self, other: "Tags") -> "Tags":
        """These tags where they say something, `other` where they do not."""
        return Tags(
            artist=self.artist or other.artist,
            album=self.album or other.album,
            title=self.title or other.title,
            year=self.year if self.year is not None else other.year,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: str
    email: str
    name: str
    created_at: datetime


def require(condition: bool, code: str, **params: object) -> None:
    """Raise `Refused(code)` unless `condition` holds."""
    if not condition:
        raise Refused(code, **params)
