"""What the fingerprint index is measured beside: the same postings kept in two plainer ways, and looked up alike."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demixer.adapters.common.hit_counts import key_hashes_of, ranked
from demixer.adapters.sqlite import postings

ROWS = 100_000  # at once


class SortedArray:
    """One memory-mapped array of 64-bit numbers, key above song: a look-up costs that much at least. No adding."""

    def __init__(self, path: Path, index: Path) -> None:
        with path.open("wb") as file:
            for part in _parts(index):
                file.write(part.tobytes())
        self._all: NDArray[np.uint64] = np.memmap(path, dtype=np.uint64, mode="r")
        self.bytes = path.stat().st_size

    def candidates(self, fingerprints: Sequence[bytes], limit: int) -> list[int]:
        return ranked([self._hits(one, limit) for one in fingerprints], limit)

    def _hits(self, fingerprint: bytes, limit: int) -> dict[int, int]:
        hashes = key_hashes_of(fingerprint).astype(np.uint64)
        left = np.searchsorted(self._all, hashes << np.uint64(26))
        right = np.searchsorted(self._all, hashes + np.uint64(1) << np.uint64(26))
        held = [self._all[start:end] for start, end in zip(left.tolist(), right.tolist(), strict=True)]
        return _most(np.concatenate(held) & np.uint64(postings.MAX_SONGS - 1), limit)


class PlainTable:
    """A row a posting, as the index was before: `(key, song)` without row ids."""

    def __init__(self, path: Path, index: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute(
            "CREATE TABLE postings (key INTEGER, song INTEGER, PRIMARY KEY (key, song)) WITHOUT ROWID"
        )
        self._connection.execute("BEGIN")
        for part in _parts(index):
            keys, songs = part >> np.uint64(26), part & np.uint64(postings.MAX_SONGS - 1)
            rows = zip(keys.tolist(), songs.tolist(), strict=True)
            self._connection.executemany("INSERT INTO postings VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self.bytes = path.stat().st_size

    def candidates(self, fingerprints: Sequence[bytes], limit: int) -> list[int]:
        return ranked([self._hits(one, limit) for one in fingerprints], limit)

    def _hits(self, fingerprint: bytes, limit: int) -> dict[int, int]:
        found: list[int] = []
        for key in key_hashes_of(fingerprint).tolist():
            found += [row[0] for row in self._connection.execute("SELECT song FROM postings WHERE key = ?", (key,))]
        return _most(np.array(found), limit)


def _parts(index: Path) -> Iterator[NDArray[np.uint64]]:
    """All postings of an index, ascending."""
    connection = sqlite3.connect(index)
    cursor = connection.execute("SELECT bucket, postings FROM buckets ORDER BY bucket")
    while rows := cursor.fetchmany(ROWS):
        lengths = [len(blob) // 4 for _, blob in rows]
        buckets = np.repeat(np.array([bucket for bucket, _ in rows], dtype=np.uint64), lengths)
        packed = np.frombuffer(b"".join(blob for _, blob in rows), dtype="<u4")
        yield np.sort(buckets << np.uint64(32) | packed)
    connection.close()


def _most(songs: NDArray[np.uint64] | NDArray[np.int64], limit: int) -> dict[int, int]:
    names, votes = np.unique(songs, return_counts=True)
    names, votes = names[votes >= 2], votes[votes >= 2]
    best = np.lexsort((names, -votes))[:limit]
    return dict(zip(names[best].tolist(), votes[best].tolist(), strict=True))
