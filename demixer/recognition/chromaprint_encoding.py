"""A fingerprint as Chromaprint writes it for other programs: compressed, in base64. Written here, never read.

Each item is XORed with the one before. The result is stored as the distances between its set bits, from the lowest,
with a 0 at its end: three bits a distance, where seven means that five more bits, after all others, say how far beyond
seven it is. Source: `FingerprintCompressor` of Chromaprint 1.5.
"""

import base64

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.fingerprint import TEST2, Items

_LARGE_DISTANCE = 7
_DISTANCE_BITS, _EXTRA_BITS = 3, 5
_MAX_ITEMS = 1 << 24  # the header has 24 bits for their number


def encode_fingerprint(items: Items) -> str:
    """`items` of the algorithm TEST2, shape (items,), as URL-safe base64 without padding. 950 take 0.5 ms."""
    if len(items) >= _MAX_ITEMS:
        raise ValueError(f"a fingerprint of {len(items)} items is too long")
    distances = _distances(items)
    extra = distances[distances >= _LARGE_DISTANCE] - _LARGE_DISTANCE
    header = bytes([TEST2]) + len(items).to_bytes(3, "big")
    small = np.minimum(distances, _LARGE_DISTANCE)
    data = header + _packed(small, _DISTANCE_BITS) + _packed(extra, _EXTRA_BITS)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _distances(items: Items) -> NDArray[np.intp]:
    """1 to 32 from each set bit to the one below it, and a 0 after each item."""
    changed = items.copy()
    changed[1:] ^= items[:-1]
    item, bit = np.nonzero(changed[:, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1))
    is_lowest = np.diff(item, prepend=-1) != 0
    distances = np.zeros(len(bit) + len(items), dtype=np.intp)
    distances[np.arange(len(bit)) + item] = bit - np.where(is_lowest, -1, np.roll(bit, 1))
    return distances


def _packed(numbers: NDArray[np.intp], width: int) -> bytes:
    """`width` bits each, the lowest first, padded to whole bytes."""
    bits = numbers[:, None] >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
