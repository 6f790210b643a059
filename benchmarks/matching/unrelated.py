"""Each file beside all songs that it was not made of: how similar the nearest is, and whether one is taken for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.matching import corpus, preparation
from benchmarks.matching.files import FileAnalysis, load
from benchmarks.matching.sources import Song
from benchmarks.matching.transforms import transforms_of
from benchmarks.matching.verdicts import reference_of, verdict_of
from demixer.domain import MatchVerdict
from demixer.recognition import thresholds
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint
from demixer.recognition.similarity import FingerprintSimilarity, compare_fingerprints

MIN_OVERLAP = 0.5  # of the shorter, for a pair to count as near
RESULTS = "unrelated.json"


@dataclass(frozen=True, slots=True)
class Match:
    """A file that has something in common with a song that it was not made of."""

    transform: str
    other: str
    verdict: MatchVerdict
    bit_error_rate: float
    overlap: float
    distinct_items: int  # of the file in the overlap


@dataclass(slots=True)
class Unrelated:
    """`nearest`: the lowest bit error rate of a different song, of overlaps long and varied enough to count."""

    pairs: int = 0
    nearest: float = 1.0
    matches: list[Match] = field(default_factory=list)


def all_fingerprints(work: Path, songs: Sequence[Song]) -> dict[str, Fingerprint]:
    """Of all tracks, whole, and of the songs that are rendered."""
    fingerprints = {corpus.name_of(track): corpus.fingerprint_of(work, track) for track in corpus.tracks(work)}
    return fingerprints | {song.name: Fingerprint.from_bytes(song.fingerprint) for song in songs if song.is_rendered}


def compare_unrelated(work: Path, fingerprints: Mapping[str, Fingerprint], song: Song) -> None:
    kept = song.folder / RESULTS
    if kept.exists():
        return
    found = Unrelated()
    for transform in transforms_of(song.is_rendered):
        if file := load(song, transform):
            variants = file.fingerprints
            for name, fingerprint in fingerprints.items():
                if name != song.name:
                    _add(work, found, transform.name, file, name, compare_fingerprints(fingerprint, variants))
    kept.write_text(json.dumps(asdict(found)))


def results(song: Song) -> Unrelated:
    kept = json.loads((song.folder / RESULTS).read_text())
    return Unrelated(kept["pairs"], kept["nearest"], [Match(**one) for one in kept["matches"]])


def _add(
    work: Path, found: Unrelated, transform: str, file: FileAnalysis, other: str, similar: FingerprintSimilarity
) -> None:
    found.pairs += 1
    distinct = _distinct_items(file, similar) if similar.bit_error_rate < 0.5 else 0
    if similar.verdict is not MatchVerdict.DIFFERENT:
        verdict = _verdict(work, other, similar, file)
        found.matches.append(Match(transform, other, verdict, similar.bit_error_rate, similar.overlap, distinct))
    elif similar.overlap >= MIN_OVERLAP and distinct >= thresholds.MIN_DISTINCT_ITEMS:
        found.nearest = min(found.nearest, similar.bit_error_rate)


def _verdict(work: Path, other: str, similar: FingerprintSimilarity, file: FileAnalysis) -> MatchVerdict:
    """By the sound where the other song's stems are there, else by the fingerprint alone."""
    folder = work / "songs" / other
    if similar.is_same_recording and (folder / "song.json").exists():
        return verdict_of(similar, file, reference_of(preparation.load(work, folder)))[0]
    return similar.verdict


def _distinct_items(file: FileAnalysis, similar: FingerprintSimilarity) -> int:
    items = file.fingerprints[0].items
    start = max(0, round(similar.offset / ITEM_SECONDS))
    length = round(similar.overlap * len(items)) + 1
    return len(np.unique(items[start : start + length] >> np.uint32(16)))
