"""The search index over artist, album and title."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from demixer.domain import Song


@dataclass(frozen=True, slots=True, kw_only=True)
class SongDocument:
    """What the search index holds of a song: derived from the catalogue, and enough to show a result."""

    id: str
    artist: str
    album: str
    title: str
    year: int | None
    duration: float  # seconds
    cover: bool
    plays: int
    revision: int  # Song.version: an older revision never replaces a newer one

    @property
    def has_cover(self) -> bool:
        return self.cover

    @classmethod
    def of(cls, song: Song) -> "SongDocument":
        return cls(
            id=song.id,
            artist=song.tags.artist,
            album=song.tags.album,
            title=song.tags.title,
            year=song.tags.year,
            duration=song.duration,
            cover=bool(song.cover_key),
            plays=song.plays,
            revision=song.version,
        )


Highlights = Mapping[str, Sequence[tuple[int, int]]]  # by "artist", "album", "title": start and end of what was found


@dataclass(frozen=True, slots=True)
class SearchPage:
    songs: Sequence[SongDocument]
    total: int  # exact up to 1,000, then "at least"
    highlights: Mapping[str, Highlights] = field(default_factory=dict)  # by song


class SearchIndex(Protocol):
    def put(self, documents: Sequence[SongDocument]) -> None: ...

    def remove(self, song_ids: Sequence[str]) -> None: ...

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchPage:
        """Every word of `query` must be found in artist, album or title: without case or accents, its first letters are
        enough, and a typo in a word of four letters or more is forgiven. Exact hits come before those with typos.

        `highlights` are of whole words, in the order of the text.
        """

    def rebuild(self, documents: Iterable[SongDocument]) -> int:
        """Replace everything; searches see the old index until the new one is complete. Returns how many."""

    def close(self) -> None: ...
