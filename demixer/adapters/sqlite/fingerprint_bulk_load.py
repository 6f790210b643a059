"""Loads many songs into empty tables of the embedded fingerprint index, in the order of the tables.

The songs are first sorted in unnamed files, so that the write transaction is short.
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
from demixer.adapters.common.hit_counts import KeyHashes
from demixer.adapters.sqlite import postings

BATCH = 5_000  # songs

_LENGTHS = struct.Struct("<HI")  # of a song's id and of its buckets, in bytes


class BulkLoad:
    """Songs, numbered from 1 on, and their postings: `add` collects them, `write` stores them."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._parts = SortedParts(postings.POSTING_BITS, folder)
        self._songs = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` closes it

    def add(self, songs: Iterable[tuple[str, KeyHashes]]) -> None:
        rest = iter(songs)
        while batch := list(islice(rest, BATCH)):
            hashes = [each for _, each in batch]
            numbers = np.arange(self.count + 1, self.count + 1 + len(batch))
            numbered = postings.postings_of(np.concatenate(hashes), np.repeat(numbers, [len(each) for each in hashes]))
            self._parts.add(numbered)
            buckets = BytesIO(postings.pack_buckets(numbered))
            for song_id, each in batch:
                name, blob = song_id.encode(), buckets.read(postings.BUCKET_BYTES * len(each))
                self._songs.write(_LENGTHS.pack(len(name), len(blob)) + name + blob)
            self.count += len(batch)

    def write(self, connection: sqlite3.Connection) -> None:
        """Into empty tables. Of a song that was added twice the last one counts."""
        connection.executemany("INSERT OR REPLACE INTO songs VALUES (?, ?, ?)", self._rows())
        rows = (row for part in self._parts for row in postings.bucket_rows(part))
        connection.executemany("INSERT INTO buckets VALUES (?, ?)", rows)

    def close(self) -> None:
        self._parts.close()
        self._songs.close()

    def _rows(self) -> Iterator[tuple[int, str, bytes]]:
        self._songs.seek(0)
        for number in range(1, self.count + 1):
            name, blob = _LENGTHS.unpack(self._songs.read(_LENGTHS.size))
            yield number, self._songs.read(name).decode(), self._songs.read(blob)
