"""The verdict on each file beside the song that it was made of, as `demixer.recognition.pipeline` gives it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from benchmarks.matching.files import FileAnalysis, load
from benchmarks.matching.sources import Song
from benchmarks.matching.transforms import Transform, transforms_of
from demixer.domain import MatchVerdict
from demixer.recognition import pipeline, reference
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.mix_comparison import MixComparison
from demixer.recognition.reference import Reference
from demixer.recognition.similarity import FingerprintSimilarity, compare_fingerprints

OUTCOMES = "outcomes.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    song: str
    transform: str
    verdict: MatchVerdict
    bit_error_rate: float
    coverage: float
    addition_ratio: float = 0.0
    missing_stems: tuple[str, ...] = ()
    level_changes: tuple[str, ...] = ()
    lag_error: float | None = None  # milliseconds


def compare_files(song: Song, again: bool = False) -> None:
    """All its files that were not compared yet, or all of them again."""
    found = [] if again else outcomes(song)
    known = {one.transform for one in found}
    found += _outcomes(song, [one for one in transforms_of(song.is_rendered) if one.name not in known])
    unfinished = song.folder / "outcomes.new"
    unfinished.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found))
    unfinished.rename(song.folder / OUTCOMES)


def outcomes(song: Song) -> list[Outcome]:
    kept = song.folder / OUTCOMES
    rows = map(json.loads, kept.read_text().splitlines() if kept.exists() else [])
    return [Outcome(**row | {"verdict": MatchVerdict(row["verdict"])}) for row in rows]


def reference_of(song: Song) -> Reference:
    known = reference.read(song.folder / reference.FILE, song.stems)
    assert known is not None, f"{song.folder} has a damaged reference: remove it"
    return known


def verdict_of(
    similar: FingerprintSimilarity, file: FileAnalysis, known: Reference
) -> tuple[MatchVerdict, MixComparison | None]:
    """The sound is compared where the fingerprints are of the same recording."""
    if not similar.is_same_recording:
        return similar.verdict, None
    mix = pipeline.compare_sound(file.samples, similar, known)
    return pipeline.combined_verdict(similar, mix), mix


def _outcomes(song: Song, transforms: Sequence[Transform]) -> Iterator[Outcome]:
    known, fingerprint = reference_of(song), Fingerprint.from_bytes(song.fingerprint)
    for transform in transforms:
        if file := load(song, transform):
            similar = compare_fingerprints(fingerprint, file.fingerprints)
            verdict, mix = verdict_of(similar, file, known)
            mix = mix or MixComparison(verdict=verdict)
            yield Outcome(
                song=song.name,
                transform=transform.name,
                verdict=verdict,
                bit_error_rate=similar.bit_error_rate,
                coverage=similar.coverage,
                addition_ratio=mix.addition_ratio,
                missing_stems=mix.missing_stems,
                level_changes=tuple(f"{name} {level:+} dB" for name, level in mix.level_changes.items()),
                lag_error=None if mix.offset is None else abs(mix.offset - transform.lag) * 1000,
            )
