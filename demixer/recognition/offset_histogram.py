"""Offsets at which one fingerprint may lie on another: a histogram of the offsets between equal items.

A file's items are indexed once, however many songs it is compared with. The method is that of AcoustID
(`acoustid_compare2`, github.com/acoustid/pg_acoustid), with 20 bits in place of 14 and any offset in place of 80 at
most.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds
from demixer.recognition.fingerprint import SILENCE, Fingerprint, Items

_LOW_BITS = np.uint32(32 - thresholds.KEY_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class OffsetHistogram:
    """`counts`: hits, pairs of equal keys, at each of `offsets`, which ascend. Both have the shape (offsets,).

    An offset is the number of items by which a key comes later in the song than in the file.
    """

    offsets: NDArray[np.intp]
    counts: NDArray[np.intp]

    def peaks(self, number: int) -> list[int]:
        """The offsets with the most hits, best first; of equal ones the lowest first."""
        order = np.argsort(-self.counts, kind="stable")[:number]
        return [int(offset) for offset in self.offsets[order]]

    def hits_near(self, offset: int) -> int:
        """The most hits at this offset or a neighbouring one."""
        first, last = np.searchsorted(self.offsets, (offset - 1, offset + 2))
        return int(self.counts[first:last].max(initial=0))


EMPTY = OffsetHistogram(np.zeros(0, np.intp), np.zeros(0, np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class KeyTable:
    """The keys of a file, the top bits of its items, with their positions. Keys that repeat too often are left out."""

    contains: NDArray[np.bool_]  # shape (2**KEY_BITS,): whether the file has this key
    keys: Items  # shape (keys,), distinct, ascending
    starts: NDArray[np.intp]  # shape (keys,): where the positions of each key begin in `positions`
    repeats: NDArray[np.intp]  # shape (keys,): how many positions each key has
    positions: NDArray[np.intp]

    @classmethod
    def of(cls, items: Items) -> Self:
        order = np.argsort(items)
        order = order[items[order] != SILENCE]
        keys, starts, repeats = np.unique(items[order] >> _LOW_BITS, return_index=True, return_counts=True)
        rare = repeats <= thresholds.MAX_KEY_REPEATS
        contains = np.zeros(1 << thresholds.KEY_BITS, dtype=np.bool_)
        contains[keys[rare]] = True
        return cls(contains, keys[rare], starts[rare], repeats[rare], order)

    def histogram(self, song: Items) -> OffsetHistogram:
        keys = song >> _LOW_BITS
        song_positions = np.flatnonzero(self.contains[keys] & (song != SILENCE))
        rows = np.searchsorted(self.keys, keys[song_positions])
        rare = np.bincount(rows, minlength=len(self.keys))[rows] <= thresholds.MAX_KEY_REPEATS
        song_positions, rows = song_positions[rare], rows[rare]
        repeats = self.repeats[rows]
        pairs = int(repeats.sum())
        if not 0 < pairs <= thresholds.MAX_KEY_PAIRS:
            return EMPTY
        nth = np.arange(pairs) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        file_positions = self.positions[np.repeat(self.starts[rows], repeats) + nth]
        offsets, counts = np.unique(np.repeat(song_positions, repeats) - file_positions, return_counts=True)
        return OffsetHistogram(offsets, counts)


@lru_cache(maxsize=4)
def key_table(file: Fingerprint) -> KeyTable:
    """Cached, for a file is compared with one song after another."""
    return KeyTable.of(file.items)
