"""What a pair takes, beside pyacoustid, where that is installed. Of it no compiled library is needed for this."""

import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.report import milliseconds
from demixer.recognition import similarity
from demixer.recognition.fingerprint import Fingerprint

FILES, SONGS = 10, 30  # each of these files is laid on so many songs, as those that an index proposes


def measure(work: Path, prints: Sequence[Fingerprint]) -> None:
    """What `compare_fingerprints` does once it has unpacked two prints, and what we do, right after each other."""
    theirs = import_module("acoustid")._match_fingerprints if find_spec("acoustid") else None
    taken: dict[str, list[float]] = {"two phases": [], "one phase": [], "pyacoustid": []}
    for file, songs in _rounds(prints):
        shifted = _copy(file)
        taken["two phases"].append(_a_pair(songs, partial(similarity.compare, phases=[file, shifted])))
        taken["one phase"].append(_a_pair(songs, partial(similarity.compare, phases=[file])))
        if theirs:
            numbers = [song.items.tolist() for song in songs]
            taken["pyacoustid"].append(_a_pair(numbers, partial(theirs, file.items.tolist())))
    medians = {name: statistics.median(times) for name, times in taken.items() if times}
    (work / "pairs.json").write_text(json.dumps(medians))


def measured(work: Path) -> dict[str, float]:
    """Milliseconds a pair, the median of the files."""
    medians: dict[str, float] = json.loads((work / "pairs.json").read_text())
    return medians


def _rounds(prints: Sequence[Fingerprint]) -> list[tuple[Fingerprint, list[Fingerprint]]]:
    """Copies of the files: nothing is known of them yet."""
    files = prints[: min(FILES, len(prints) // 2)]
    songs = prints[len(files) : len(files) + SONGS]
    return [(_copy(file), list(songs)) for file in files]


def _copy(file: Fingerprint) -> Fingerprint:
    return Fingerprint(file.items.copy(), file.duration)


def _a_pair(songs: Sequence[Any], compare: Callable[[Any], object]) -> float:
    return milliseconds(lambda: [compare(song) for song in songs]) / len(songs)
