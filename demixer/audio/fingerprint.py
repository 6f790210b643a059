"""Chromaprint fingerprints: how they are stored, looked up, and compared.

Constants and their measured recall are from shared/fingerprints.md, section 0 (0 false positives in 1.49 M unrelated
pairs, 99.7 % of transcodes found). An item is 32 bits and stands for 0.1238 s of a song, from 2 s around it.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.uint32]

TEST2 = 1  # Chromaprint's default algorithm, and the only one that AcoustID takes
SILENCE = 627_964_279  # the item of silence, of dither and of very quiet tones

_HEADER = struct.Struct("<BBfI")  # version of this format, algorithm, duration in seconds, number of items
_VERSION = 1
_MOST_ITEMS = 1 << 20  # 36 hours

_ONE_KEY_IN = 16  # "C16": about 110 keys in a song of 4 minutes
_TOP_BITS = 20  # what must agree for two items to vote for an offset
_MOST_REPEATS = 8  # a loop's keys vote for every offset alike
_PEAKS = 5
_WINDOW = 64  # items, 7.9 s

MAX_ERROR_RATE = 0.12
MIN_OVERLAP = 0.90  # of the shorter song
MIN_ITEMS = 200  # 27 s
MIN_VARIETY = 80  # different top 16 bits in the overlap: tones, noise and silence have fewer
MIN_VOTES = 0.02  # of that variety
MAX_WINDOW_ERROR_RATE = 0.25
MIN_COVERAGE = 0.95  # of the windows
MAX_DURATION_DIFFERENCE = 7.0  # seconds; AcoustID's value


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """`items` of a whole song, shape (n,), and its `duration` in seconds."""

    items: Items
    duration: float

    def to_bytes(self) -> bytes:
        """About 1.15 KB a minute: each item XOR the one before, deflated."""
        delta = self.items.astype("<u4")
        delta[1:] ^= self.items[:-1]
        return _HEADER.pack(_VERSION, TEST2, self.duration, len(delta)) + zlib.compress(delta.tobytes(), 9)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises `ValueError` for anything that `to_bytes` did not write."""
        if len(data) < _HEADER.size:
            raise ValueError("a fingerprint is longer than this")
        version, algorithm, duration, count = _HEADER.unpack_from(data)
        if (version, algorithm) != (_VERSION, TEST2) or count > _MOST_ITEMS or not 0 <= duration < float("inf"):
            raise ValueError(f"not a fingerprint of version {_VERSION}")
        delta = np.frombuffer(_inflated(data[_HEADER.size :], count * 4), dtype="<u4")
        return cls(np.bitwise_xor.accumulate(delta).astype(np.uint32), duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How two fingerprints relate at their best alignment."""

    same: bool  # one recording: its stems can be used for the other file
    bit_error_rate: float  # 0 to 1, over the overlap
    overlap: float  # 0 to 1, of the shorter song
    coverage: float  # 0 to 1: share of the overlap in windows that agree
    offset_items: int  # the first song's item at the second song's item 0


NOTHING_IN_COMMON = Similarity(same=False, bit_error_rate=1.0, overlap=0.0, coverage=0.0, offset_items=0)


def sample_keys(fingerprint: Fingerprint) -> Items:
    """What to look a song up by: distinct items chosen by their value alone, so that any cut keeps its keys."""
    distinct: Items = np.unique(fingerprint.items[fingerprint.items != SILENCE])
    chosen: Items = distinct[_mixed(distinct) % _ONE_KEY_IN == 0]
    return chosen


def compare(first: Fingerprint, second: Fingerprint) -> Similarity:
    """Whether two songs are one recording, in about 0.3 ms. Cuts and other edits longer than 7 s are not the same."""
    offsets, votes = _likely_offsets(first.items, second.items)
    if not offsets:
        return NOTHING_IN_COMMON
    near = {offset + step for offset in offsets for step in (-1, 0, 1)}
    candidates = [_aligned(first.items, second.items, offset) for offset in sorted(near, key=abs)]
    best = max(candidates, key=lambda one: len(one.errors) * (0.5 - one.error_rate))
    return _verdict(first, second, best, votes)


@dataclass(frozen=True, slots=True)
class _Alignment:
    offset: int
    overlap: Items  # the first song's items in it
    errors: NDArray[np.uint8]  # differing bits of each

    @property
    def error_rate(self) -> float:
        return float(self.errors.mean()) / 32 if len(self.errors) else 1.0

    @property
    def coverage(self) -> float:
        """Share of windows that agree: a verse cut out or replaced shows here, not in the mean."""
        whole = len(self.errors) // _WINDOW * _WINDOW
        if not whole:
            return 0.0
        rates = self.errors[:whole].reshape(-1, _WINDOW).mean(axis=1) / 32
        return float((rates < MAX_WINDOW_ERROR_RATE).mean())

    @property
    def variety(self) -> int:
        return len(np.unique(self.overlap >> np.uint32(16)))


def _verdict(first: Fingerprint, second: Fingerprint, best: _Alignment, votes: dict[int, int]) -> Similarity:
    overlap = len(best.errors) / max(1, min(len(first.items), len(second.items)))
    aligned = max(votes.get(best.offset + step, 0) for step in (-1, 0, 1))
    same = (
        best.error_rate <= MAX_ERROR_RATE
        and overlap >= MIN_OVERLAP
        and len(best.errors) >= MIN_ITEMS
        and best.variety >= MIN_VARIETY
        and aligned >= MIN_VOTES * best.variety
        and best.coverage >= MIN_COVERAGE
        and abs(first.duration - second.duration) <= MAX_DURATION_DIFFERENCE
    )
    return Similarity(
        same=same,
        bit_error_rate=best.error_rate,
        overlap=overlap,
        coverage=best.coverage,
        offset_items=best.offset,
    )


def _likely_offsets(first: Items, second: Items) -> tuple[list[int], dict[int, int]]:
    """The offsets that most pairs of equal keys agree on, and how many pairs each offset has."""
    first_at, first_keys = _telling_keys(first)
    second_at, second_keys = _telling_keys(second)
    order = np.argsort(second_keys, kind="stable")
    second_at, second_keys = second_at[order], second_keys[order]
    left = np.searchsorted(second_keys, first_keys, side="left")
    count = np.searchsorted(second_keys, first_keys, side="right") - left
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    offsets = np.repeat(first_at, count) - second_at[np.repeat(left, count) + nth]
    values, votes = np.unique(offsets, return_counts=True)
    top = np.argsort(-votes, kind="stable")[:_PEAKS]
    return [int(value) for value in values[top]], dict(zip(values.tolist(), votes.tolist(), strict=True))


def _telling_keys(items: Items) -> tuple[NDArray[np.intp], Items]:
    """Positions and top bits of the items that say something about where they are."""
    keys = items >> np.uint32(32 - _TOP_BITS)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    telling = np.flatnonzero((items != SILENCE) & (counts[inverse] <= _MOST_REPEATS))
    return telling, keys[telling]


def _aligned(first: Items, second: Items, offset: int) -> _Alignment:
    left, right = max(0, offset), max(0, -offset)
    length = max(0, min(len(first) - left, len(second) - right))
    ours, theirs = first[left : left + length], second[right : right + length]
    return _Alignment(offset, ours, np.bitwise_count(ours ^ theirs))


def _mixed(values: Items) -> Items:
    """Spread all 32 bits over all 32 bits: the finalizer of MurmurHash3 (Appleby, public domain)."""
    mixed = values.copy()
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def _inflated(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes, never more, whatever the data would unpack to."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError("a damaged fingerprint") from error
    if len(plain) != size or not inflater.eof:
        raise ValueError("a fingerprint of another length than it says")
    return plain
