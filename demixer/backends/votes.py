"""How both fingerprint indexes choose among songs: each key that a song shares with what is looked up is a vote.

Sampling by content ("keep a value whose hash is 0 mod 16") picks the same keys of a recording wherever a file begins.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from demixer.audio.fingerprint import Fingerprint, sample_keys

COMMON = 5_000  # songs that share a key before it says nothing: silence, a drum machine
FEW_KEYS = 16  # a song of half a minute gives about that many; one vote has to do then
VOTES = 2

Song = TypeVar("Song", int, str)


def keys_of(fingerprint: bytes) -> list[int]:
    """Distinct, ascending, 32 bits each. Raises `ValueError` for damaged bytes."""
    return [int(key) for key in sample_keys(Fingerprint.from_bytes(fingerprint))]


def likeliest(votes: Counter[Song], keys: Sequence[int], limit: int) -> list[Song]:
    """Those with votes enough for a look-up by `keys`, the most votes first."""
    needed = VOTES if len(keys) >= FEW_KEYS else 1
    return sorted((song for song in votes if votes[song] >= needed), key=lambda song: (-votes[song], song))[:limit]
