"""Where a song's print may lie on a file's: the offsets that most pairs of equal items agree on.

What a file needs for that is made once, however many songs it is laid on.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.fingerprint import SILENCE, Fingerprint, Items

TOP_BITS = 20  # what must agree for two items to vote for an offset
MOST_REPEATS = 8  # a loop's keys vote for every offset alike
MOST_PAIRS = 1 << 22  # of equal keys: what is all alike says nothing, and takes time

_BELOW = np.uint32(32 - TOP_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """How many pairs of equal keys agree on each of the `offsets`, which are in order, of the song in the file."""

    offsets: NDArray[np.intp]
    counts: NDArray[np.intp]

    def likeliest(self, number: int) -> list[int]:
        """The offsets with the most votes, the first of equal ones first."""
        top = np.argsort(-self.counts, kind="stable")[:number]
        return [int(offset) for offset in self.offsets[top]]

    def near(self, offset: int) -> int:
        """For it, or one beside it, whichever has more."""
        first, last = np.searchsorted(self.offsets, (offset - 1, offset + 2))
        return int(self.counts[first:last].max(initial=0))


NONE = Votes(np.zeros(0, np.intp), np.zeros(0, np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """The top bits of a file's items that say something about where they are, and where these are."""

    has: NDArray[np.bool_]  # of every key there can be
    keys: Items  # different ones, in order
    begins: NDArray[np.intp]  # of each key's places in `at`
    repeats: NDArray[np.intp]  # of each key
    at: NDArray[np.intp]

    @classmethod
    def of(cls, items: Items) -> Self:
        order = np.argsort(items)
        order = order[items[order] != SILENCE]
        keys, begins, repeats = np.unique(items[order] >> _BELOW, return_index=True, return_counts=True)
        telling = repeats <= MOST_REPEATS
        has = np.zeros(1 << TOP_BITS, dtype=np.bool_)
        has[keys[telling]] = True
        return cls(has, keys[telling], begins[telling], repeats[telling], order)

    def votes(self, song: Items) -> Votes:
        keys = song >> _BELOW
        known = np.flatnonzero(self.has[keys] & (song != SILENCE))
        which = np.searchsorted(self.keys, keys[known])
        telling = np.bincount(which, minlength=len(self.keys))[which] <= MOST_REPEATS
        return self._counted(known[telling], which[telling])

    def _counted(self, song_at: NDArray[np.intp], which: NDArray[np.intp]) -> Votes:
        repeats = self.repeats[which]
        pairs = int(repeats.sum())
        if not 0 < pairs <= MOST_PAIRS:
            return NONE
        nth = np.arange(pairs) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        file_at = self.at[np.repeat(self.begins[which], repeats) + nth]
        offsets, counts = np.unique(np.repeat(song_at, repeats) - file_at, return_counts=True)
        return Votes(offsets, counts)


@lru_cache(maxsize=4)
def keys_of(file: Fingerprint) -> Keys:
    """A file's are wanted again at once, for the next song."""
    return Keys.of(file.items)
