"""How both fingerprint indexes choose among songs: each key that a song shares with what is looked up is a vote.

Sampling by content ("keep a value whose hash is 0 mod 16", of short songs 0 mod 4) picks the same keys of a recording
wherever a file begins.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.fingerprint import Fingerprint, hash_items, sample_keys

Keys = NDArray[np.uint32]
Places = NDArray[np.uint32]  # below 2 to the power of 28

COMMON = 5_000  # songs that share a key before it says nothing: silence, a drum machine
FEW_KEYS = 16  # a few seconds of music give about that many; one vote has to do then
VOTES = 2
MOST_KEYS = 1_024  # of a print, about 35 minutes of music: what a longer one, or a hostile one, can cost is bounded

Song = TypeVar("Song", int, str)


def keys_of(fingerprint: bytes) -> Keys:
    """Distinct, at most `MOST_KEYS`, those with the lowest hashes: chosen by value, too. Raises `ValueError`."""
    keys = sample_keys(Fingerprint.from_bytes(fingerprint))
    return keys if len(keys) <= MOST_KEYS else keys[np.argsort(hash_items(keys))[:MOST_KEYS]]


def places_of(fingerprint: bytes) -> Places:
    """Its keys as evenly spread numbers of 28 bits: their hashes without the four bits that choose them."""
    return np.unique(hash_items(keys_of(fingerprint)) >> np.uint32(4))


def needed(keys: int) -> int:
    """Votes that a song must have for a look-up by so many keys."""
    return VOTES if keys >= FEW_KEYS else 1


def likeliest(phases: Iterable[Mapping[Song, int]], limit: int) -> list[Song]:
    """The songs with the most votes first, each by the phase that is best for it."""
    best: dict[Song, int] = {}
    for votes in phases:
        for song, count in votes.items():
            best[song] = max(count, best.get(song, 0))
    return sorted(best, key=lambda song: (-best[song], song))[:limit]
