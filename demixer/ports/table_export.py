"""Tables as plain rows, without the rules of the other ports: for `demixer migrate`, and for rebuilding indexes.

A row is a document of JSON values, the same on every engine, with everything that is stored: versions, counts of plays,
hashes of passwords and tokens. Left out: what derives from other rows, events to be published, and the separation
workers, which say again what they can do.
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
    """The tables of one engine. `rows` may or may not see what others write meanwhile."""

    tables: Mapping[str, Sequence[str]]  # `CATALOGUE` or `ACCOUNTS`

    def rows(self, table: str) -> Iterator[Row]:
        """All, in the order of their keys by code point. Rows already given may be put or removed meanwhile."""

    def put(self, table: str, rows: Sequence[Row]) -> None:
        """Replaces the rows with the same keys. On the disk when it returns."""

    def remove(self, table: str, rows: Sequence[Row]) -> None:
        """The rows with these keys. Those that do not exist are ignored."""

    def close(self) -> None: ...


def fingerprints(songs: Iterable[Row]) -> Iterator[tuple[str, bytes]]:
    """What `FingerprintIndex.rebuild` takes, of the rows of songs: all but the withdrawn.

    A song that was taken down stays in the index: its recording has to be recognised to be refused.
    """
    return ((song["id"], b64decode(song["fingerprint"])) for song in songs if not _is_withdrawn(song))


def _is_withdrawn(song: Row) -> bool:
    """Rows of version 0.1 have `removed` instead of a state."""
    return bool(song["state"] == "withdrawn" if "state" in song else song["removed"])
