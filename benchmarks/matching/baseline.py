"""What a pair takes, beside pyacoustid, where that is installed. Of it no compiled library is needed for this."""

import json
import statistics
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from benchmarks.report import milliseconds
from demixer.audio import likeness
from demixer.audio.fingerprint import Fingerprint

PAIRS = 50


def measure(work: Path, prints: Sequence[Fingerprint]) -> None:
    """Of whole songs: what `compare_fingerprints` does once it has unpacked two prints, and what we do."""
    theirs = import_module("acoustid")._match_fingerprints if find_spec("acoustid") else None
    taken: dict[str, list[float]] = {"two phases": [], "one phase": [], "pyacoustid": []}
    for song, file in pairwise(prints[: PAIRS + 1]):
        taken["two phases"].append(milliseconds(partial(likeness.compare, song, [file, file])))
        taken["one phase"].append(milliseconds(partial(likeness.compare, song, [file])))
        if theirs:
            numbers = [one.items.tolist() for one in (song, file)]
            taken["pyacoustid"].append(milliseconds(partial(theirs, *numbers)))
    medians = {name: statistics.median(times) for name, times in taken.items() if times}
    (work / "pairs.json").write_text(json.dumps(medians))


def measured(work: Path) -> dict[str, float]:
    """Milliseconds a pair, the median."""
    medians: dict[str, float] = json.loads((work / "pairs.json").read_text())
    return medians
