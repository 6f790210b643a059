"""Tables as plain rows, past every rule of the ports: for `demixer migrate`, and for what is made anew from them.

A row is a document of JSON values, the same on every engine, with everything that is stored: versions, counts of plays,
hashes of passwords and tokens. What follows from other rows, and events that wait to be published, are no part of it.
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]
Key = tuple[str, ...]

CATALOGUE: Mapping[str, Sequence[str]] = {  # each table with the fields that are its key
    "uploads": ("id",),
    "songs": ("id",),
    "separations": ("id",),
    "song_files": ("sha256",),
    "libraries": ("person_id", "song_id"),
    "analyses": ("id",),
}
ACCOUNTS: Mapping[str, Sequence[str]] = {"people": ("id",), "tokens": ("hash",)}


class TableExport(Protocol):
    """The tables of one engine. While somebody else writes to them, `rows` may or may not see it."""

    tables: Mapping[str, Sequence[str]]  # `CATALOGUE` or `ACCOUNTS`

    def rows(self, table: str) -> Iterator[Row]:
        """All, in the order of their keys by code point. Rows behind the last one given may be put or removed."""

    def put(self, table: str, rows: Sequence[Row]) -> None:
        """Exactly these, in the place of whatever had their keys. On the disk when it returns."""

    def remove(self, table: str, rows: Sequence[Row]) -> None:
        """Those with the keys of these rows; gone already is fine."""

    def close(self) -> None: ...


def fingerprints(songs: Iterable[Row]) -> Iterator[tuple[str, bytes]]:
    """What `FingerprintIndex.rebuild` takes, of the rows of songs: all but the withdrawn.

    A song that was taken down stays in the index: its recording has to be recognised to be refused.
    """
    return ((song["id"], b64decode(song["fingerprint"])) for song in songs if not _is_withdrawn(song))


def _is_withdrawn(song: Row) -> bool:
    """Rows of version 0.1 have `removed` instead of a state."""
    return bool(song["state"] == "withdrawn" if "state" in song else song["removed"])
