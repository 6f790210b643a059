"""Chromaprint fingerprints of whole songs: how they are stored, and the keys that an index finds them by.

`demixer.recognition.similarity` compares two of them. Each item is 32 bits, describes about 2 s of harmony, and lies
one hop of `ITEM_SECONDS` after the one before. Source: https://oxygene.sk/2011/01/how-does-chromaprint-work/
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds

Items = NDArray[np.uint32]

TEST2 = 1  # Chromaprint's default algorithm, and the only one that AcoustID takes
SILENCE = 627_964_279  # the item of silence, of dither and of very quiet tones
SAMPLE_RATE = 11_025  # Hz, at which Chromaprint works
ITEM_SECONDS = 1365 / SAMPLE_RATE  # the hop: a third of a frame of 4,096 samples

# The half-hop variant is the fingerprint of a file without these first samples. A file that begins half a hop later
# than the song has 1 bit in 15 wrong, which is the worst that a cut can do; its half-hop variant has none wrong.
HALF_HOP_SAMPLES = 683
HALF_HOP_SECONDS = HALF_HOP_SAMPLES / SAMPLE_RATE

_HEADER = struct.Struct("<BBfI")  # version of this format, algorithm, duration in seconds, number of items
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """`items` of a whole song, shape (items,), and its `duration` in seconds."""

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
        is_readable = (version, algorithm) == (_VERSION, TEST2) and count <= thresholds.MAX_STORED_ITEMS
        if not is_readable or not 0 <= duration < float("inf"):
            raise ValueError(f"not a fingerprint of version {_VERSION}")
        delta = np.frombuffer(_inflated(data[_HEADER.size :], count * 4), dtype="<u4")
        return cls(np.bitwise_xor.accumulate(delta).astype(np.uint32), duration)


def sample_keys(fingerprint: Fingerprint) -> Items:
    """The keys to find a song by: distinct items chosen by their value alone, so that any cut of a song keeps its keys.

    One item in `KEY_SAMPLING`. A short or monotonous song has one in `SHORT_KEY_SAMPLING`, among which those are.
    Shape (keys,), ascending.
    """
    keys = _sampled(fingerprint.items, thresholds.KEY_SAMPLING)
    if len(keys) >= thresholds.MIN_KEYS:
        return keys
    return _sampled(fingerprint.items, thresholds.SHORT_KEY_SAMPLING)


def hash_items(items: Items) -> Items:
    """A bijective hash of each item, which spreads its 32 bits over all 32 bits: keys are sampled by it.

    The finalizer of MurmurHash3 (Appleby, public domain).
    """
    hashes = items.astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes ^= hashes >> np.uint32(shift)
        hashes *= np.uint32(factor)
    return hashes ^ hashes >> np.uint32(16)


def _sampled(items: Items, one_in: int) -> Items:
    return np.unique(items[(hash_items(items) % one_in == 0) & (items != SILENCE)])  # fewer are left to sort


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
