"""Many songs into the tables of the embedded fingerprint index at once, in the order of the tables.

What comes is put aside first, in unnamed files, so that nobody waits while it is read and sorted.
"""

import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np

from demixer.adapters.common.external_sort import SortedParts
from demixer.adapters.common.hit_counts import Places
from demixer.adapters.sqlite import postings

BATCH = 5_000  # songs

_LENGTHS = struct.Struct("<HI")  # of a song's id and of its buckets, in bytes


class Load:
    """Songs, numbered from 1 on, and their postings on their way."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._parts = SortedParts(postings.WHOLE_BITS, folder)
        self._songs = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it

    def add(self, songs: Iterable[tuple[str, Places]]) -> None:
        coming = iter(songs)
        while batch := list(islice(coming, BATCH)):
            self._add([song_id for song_id, _ in batch], [places for _, places in batch])

    def write(self, connection: sqlite3.Connection) -> None:
        """Into empty tables. Of a song that came twice the last one counts."""
        connection.executemany("INSERT OR REPLACE INTO songs VALUES (?, ?, ?)", self._rows())
        rows = (row for part in self._parts for row in postings.buckets(part))
        connection.executemany("INSERT INTO buckets VALUES (?, ?)", rows)

    def close(self) -> None:
        self._parts.close()
        self._songs.close()

    def _add(self, ids: list[str], places: list[Places]) -> None:
        numbers = np.arange(self.count + 1, self.count + 1 + len(ids))
        whole = postings.whole(np.concatenate(places), np.repeat(numbers, [len(some) for some in places]))
        self._parts.add(whole)
        buckets = BytesIO(postings.to_blob(whole))
        for song_id, some in zip(ids, places, strict=True):
            name, blob = song_id.encode(), buckets.read(postings.BUCKET_BYTES * len(some))
            self._songs.write(_LENGTHS.pack(len(name), len(blob)) + name + blob)
        self.count += len(ids)

    def _rows(self) -> Iterator[tuple[int, str, bytes]]:
        self._songs.seek(0)
        for number in range(1, self.count + 1):
            name, blob = _LENGTHS.unpack(self._songs.read(_LENGTHS.size))
            yield number, self._songs.read(name).decode(), self._songs.read(blob)
