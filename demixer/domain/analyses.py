"""An analysis: what was measured of the sound of one file, kept under the file's SHA-256."""

from dataclasses import dataclass
from enum import StrEnum

from demixer.domain.values import Tags


class MatchVerdict(StrEnum):
    """What a file is beside a song: the one answer of all comparisons, of fingerprints and of sound."""

    SAME = "same"  # the same recording in the same mix
    UNSURE = "unsure"  # the same recording; whether the same mix, only the song's stems will tell
    MIX = "mix"  # the same recording, mixed differently: without vocals, say
    EDIT = "edit"  # the same recording, cut differently
    VERSION = "version"  # much alike: a remaster, a live take, a remix
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Of a file with one song. `offset`: seconds into the file at which the song begins. `missing_stems`: stems of the
    song that the file has not."""

    song_id: str
    verdict: MatchVerdict
    offset: float = 0.0
    missing_stems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the sound of a file is stored. A field that could not be read is "" or 0."""

    codec: str = ""  # as ffmpeg names it: mp3, flac, aac
    bit_rate: int = 0  # bits a second
    sample_rate: int = 0  # Hz
    channels: int = 0
    bandwidth: int = 0  # Hz up to which there is sound; 0 where it was not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything that was measured of a file by one decode. Later measurements (tempo, key, chords, loudness) are
    further
    fields with a default.

    `id` is the file's SHA-256 (hex). `fingerprint` and `shifted_fingerprint` are both alignments of the Chromaprint
    fingerprint, the second half an item later, as `demixer.recognition.fingerprint.Fingerprint.to_bytes` gives them.
    `comparisons`: with the songs it is most similar to, the best match first.
    """

    id: str
    duration: float  # seconds
    fingerprint: bytes
    tags: Tags
    cover_key: str  # key in the file store, "" without one
    shifted_fingerprint: bytes = b""  # b"" where it was not made
    sample_hash: str = ""  # SHA-256 of the decoded samples, where the fingerprint says too little
    comparisons: tuple[Comparison, ...] = ()
    encoding: Encoding = Encoding()
