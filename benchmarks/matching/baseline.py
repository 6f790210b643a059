"""The time to compare two fingerprints, beside pyacoustid where that is installed (without its compiled library)."""

import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.report import milliseconds
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.similarity import compare_fingerprints

FILES, SONGS = 10, 30  # each of these files is compared with so many songs, as those that an index proposes


def measure(work: Path, fingerprints: Sequence[Fingerprint]) -> None:
    """What pyacoustid does once it has unpacked two fingerprints, and our comparison, right after each other."""
    pyacoustid = import_module("acoustid")._match_fingerprints if find_spec("acoustid") else None
    times: dict[str, list[float]] = {"both variants": [], "one variant": [], "pyacoustid": []}
    for file, songs in _rounds(fingerprints):
        shifted = _copy(file)
        times["both variants"].append(_a_pair(songs, partial(compare_fingerprints, variants=[file, shifted])))
        times["one variant"].append(_a_pair(songs, partial(compare_fingerprints, variants=[file])))
        if pyacoustid:
            numbers = [song.items.tolist() for song in songs]
            times["pyacoustid"].append(_a_pair(numbers, partial(pyacoustid, file.items.tolist())))
    medians = {name: statistics.median(taken) for name, taken in times.items() if taken}
    (work / "pairs.json").write_text(json.dumps(medians))


def measured(work: Path) -> dict[str, float]:
    """Milliseconds a pair, the median of the files."""
    medians: dict[str, float] = json.loads((work / "pairs.json").read_text())
    return medians


def _rounds(fingerprints: Sequence[Fingerprint]) -> list[tuple[Fingerprint, list[Fingerprint]]]:
    """Copies of the files, for which nothing is cached."""
    files = fingerprints[: min(FILES, len(fingerprints) // 2)]
    songs = fingerprints[len(files) : len(files) + SONGS]
    return [(_copy(file), list(songs)) for file in files]


def _copy(file: Fingerprint) -> Fingerprint:
    return Fingerprint(file.items.copy(), file.duration)


def _a_pair(songs: Sequence[Any], compare: Callable[[Any], object]) -> float:
    return milliseconds(lambda: [compare(song) for song in songs]) / len(songs)
