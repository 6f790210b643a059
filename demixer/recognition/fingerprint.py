"""Chromaprint fingerprints: how they are stored and looked up. `demixer.recognition.similarity` compares them.

An item is 32 bits and stands for `ITEM_SECONDS` of a song, from 2 s around it.
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
_OF_SHORT_ONE_IN = 4
_SHORT = 64  # keys, of two minutes: of fewer too few are left when an encoder has changed nine of ten
ITEM_SECONDS = 1365 / 11_025  # a third of a frame of 4096 samples
SHIFT_SAMPLES = 683  # at 11,025 Hz, half an item: a file printed a second time without them meets any other half way
SHIFT_SECONDS = SHIFT_SAMPLES / 11_025


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


def sample_keys(fingerprint: Fingerprint) -> Items:
    """What to look a song up by: distinct items chosen by their value alone, so that any cut keeps its keys.

    One in sixteen, or of a short or dull song one in four, among which those are.
    """
    keys = _sampled(fingerprint.items, _ONE_KEY_IN)
    return keys if len(keys) >= _SHORT else _sampled(fingerprint.items, _OF_SHORT_ONE_IN)


def _sampled(items: Items, one_in: int) -> Items:
    return np.unique(items[(mixed(items) % one_in == 0) & (items != SILENCE)])  # chosen before they are sorted


def mixed(values: Items) -> Items:
    """All 32 bits of each spread over all 32 bits: the hash that `sample_keys` samples by.

    The finalizer of MurmurHash3 (Appleby, public domain).
    """
    some = values.astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        some ^= some >> np.uint32(shift)
        some *= np.uint32(factor)
    return some ^ some >> np.uint32(16)


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
