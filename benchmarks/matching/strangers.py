"""Each file beside all songs that it was not made of: how near the nearest comes, and whether one is taken for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.matching import corpus, preparing
from benchmarks.matching.judging import by_sound, reference_of
from benchmarks.matching.kinds import kinds_of
from benchmarks.matching.making import Analysis, heard
from benchmarks.matching.sources import Song
from demixer.recognition import similarity
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint
from demixer.recognition.similarity import MIN_VARIETY, Kind, Likeness

OVERLAP = 0.5  # of the shorter, for a pair to count as near


@dataclass(frozen=True, slots=True)
class Near:
    kind: str
    other: str
    finding: str
    bit_error_rate: float
    overlap: float
    variety: int  # different top 16 bits of the file in the overlap


@dataclass(slots=True)
class Strangers:
    pairs: int = 0
    nearest: float = (
        1.0  # bit error rate of a different one, where half of the shorter overlaps, varied enough to count
    )
    near: list[Near] = field(default_factory=list)  # those that are taken for more than different


def all_prints(work: Path, songs: Sequence[Song]) -> dict[str, Fingerprint]:
    """Of all tracks, whole, and of the songs that are played."""
    prints = {corpus.name_of(track): corpus.print_of(work, track) for track in corpus.tracks(work)}
    return prints | {song.name: Fingerprint.from_bytes(song.print) for song in songs if song.played}


def meet(work: Path, prints: Mapping[str, Fingerprint], song: Song) -> None:
    kept = song.folder / "strangers.json"
    if kept.exists():
        return
    found = Strangers()
    for kind in kinds_of(song.played):
        if file := heard(song, kind):
            phases = file.prints
            for name, print_ in prints.items():
                if name != song.name:
                    _meet(work, found, kind.name, file, name, similarity.compare(print_, phases))
    kept.write_text(json.dumps(asdict(found)))


def met(song: Song) -> Strangers:
    kept = json.loads((song.folder / "strangers.json").read_text())
    return Strangers(kept["pairs"], kept["nearest"], [Near(**one) for one in kept["near"]])


def _meet(work: Path, found: Strangers, kind: str, file: Analysis, other: str, like: Likeness) -> None:
    found.pairs += 1
    variety = _variety(file, like) if like.bit_error_rate < 0.5 else 0
    if like.kind is not Kind.DIFFERENT:
        finding = _finding(work, other, like, file)
        found.near.append(Near(kind, other, finding, like.bit_error_rate, like.overlap, variety))
    elif like.overlap >= OVERLAP and variety >= MIN_VARIETY:
        found.nearest = min(found.nearest, like.bit_error_rate)


def _finding(work: Path, other: str, like: Likeness, file: Analysis) -> str:
    """By the sound where the other song's stems are there, else by the print alone."""
    folder = work / "songs" / other
    if like.same and (folder / "song.json").exists():
        return by_sound(like, file, reference_of(preparing.read(work, folder)))[0]
    return like.kind.value


def _variety(file: Analysis, like: Likeness) -> int:
    items = file.prints[0].items
    start = max(0, round(like.offset / ITEM_SECONDS))
    length = round(like.overlap * len(items)) + 1
    return len(np.unique(items[start : start + length] >> np.uint32(16)))
