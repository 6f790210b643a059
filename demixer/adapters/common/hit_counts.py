"""Ranking the songs of a fingerprint index by their hits: how many keys of a query each song has.

Keys are sampled by content ("keep a value whose hash is 0 mod 16", of short songs 0 mod 4), so the same keys of a
recording are chosen wherever a file begins.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.fingerprint import Fingerprint, hash_items, sample_keys

Keys = NDArray[np.uint32]
KeyHashes = NDArray[np.uint32]  # below 2 to the power of 28

MAX_SONGS_PER_KEY = 5_000  # a key of more songs is ignored: silence, a drum machine
MAX_KEYS = 1_024  # of a fingerprint, about 35 minutes of music: bounds what a longer or a hostile one costs
MIN_HITS = 2  # of a candidate
FEW_KEYS = 16  # of a query, a few seconds of music: with fewer, one hit is enough

Song = TypeVar("Song", int, str)


def keys_of(fingerprint: bytes) -> Keys:
    """Distinct, at most `MAX_KEYS`: those with the lowest hashes. Raises `ValueError`."""
    keys = sample_keys(Fingerprint.from_bytes(fingerprint))
    return keys if len(keys) <= MAX_KEYS else keys[np.argsort(hash_items(keys))[:MAX_KEYS]]


def key_hashes_of(fingerprint: bytes) -> KeyHashes:
    """The hashes of its keys, evenly spread over 28 bits: without the lowest four, by which keys are sampled."""
    return np.unique(hash_items(keys_of(fingerprint)) >> np.uint32(4))


def min_hits(keys: int) -> int:
    """Hits that a song must have to be a candidate for a query of so many keys."""
    return MIN_HITS if keys >= FEW_KEYS else 1


def ranked(hits_by_variant: Iterable[Mapping[Song, int]], limit: int) -> list[Song]:
    """The songs with the most hits first. Of the alignment variants of a query, the best one counts for each song."""
    best: dict[Song, int] = {}
    for hits in hits_by_variant:
        for song, count in hits.items():
            best[song] = max(count, best.get(song, 0))
    return sorted(best, key=lambda song: (-best[song], song))[:limit]
