"""What was measured of the sound of one file."""

from dataclasses import dataclass
from enum import StrEnum

from demixer.domain.values import Tags


class MatchVerdict(StrEnum):
    """What a file is, beside a song that its fingerprint is like."""

    SAME = "same"  # the same recording in the same mix
    UNSURE = "unsure"  # the same recording; whether the same mix, only the song's stems will tell
    MIX = "mix"  # the same recording, mixed otherwise
    EDIT = "edit"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`offset`: seconds into the file at which the song begins. `without`: stems of the song that the file has not."""

    song_id: str
    verdict: MatchVerdict
    offset: float = 0.0
    missing_stems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the fingerprint consumer found in a file. `compared`: with the songs it is like, the likest first."""

    duration: float  # seconds
    fingerprint: bytes
    tags: Tags
    cover_key: str  # key in the file store, "" without one
    shifted_fingerprint: bytes = b""  # the fingerprint half an item later, b"" where it was not made
    sample_hash: str = ""  # of the samples, where the fingerprint says too little
    comparisons: tuple[Comparison, ...] = ()
