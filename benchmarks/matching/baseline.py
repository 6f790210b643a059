"""What a pair takes, beside pyacoustid, where that is installed. Of it no compiled library is needed for this."""

import json
import statistics
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.matching.kinds import BY_NAME
from benchmarks.matching.making import heard
from benchmarks.matching.sources import Song
from benchmarks.report import milliseconds
from demixer.audio import likeness
from demixer.audio.fingerprint import Fingerprint

PAIRS = 50


def measure(work: Path, songs: Sequence[Song]) -> None:
    """What `compare_fingerprints` does once it has unpacked two prints, and what we do with two phases and with one."""
    theirs = import_module("acoustid")._match_fingerprints if find_spec("acoustid") else None
    taken: dict[str, list[float]] = {"two phases": [], "one phase": [], "pyacoustid": []}
    for song, other in zip(songs[:PAIRS], [*songs[1:], *songs[:1]], strict=False):
        ours, file = Fingerprint.from_bytes(other.print), heard(song, BY_NAME["mp3 128"])
        if file is None:
            continue
        prints = file.prints
        taken["two phases"].append(milliseconds(partial(likeness.compare, ours, prints)))
        taken["one phase"].append(milliseconds(partial(likeness.compare, ours, prints[:1])))
        if theirs:
            numbers = [one.items.tolist() for one in (ours, prints[0])]
            taken["pyacoustid"].append(milliseconds(partial(theirs, *numbers)))
    medians = {name: statistics.median(times) for name, times in taken.items() if times}
    (work / "pairs.json").write_text(json.dumps(medians))


def measured(work: Path) -> dict[str, float]:
    """Milliseconds a pair, the median."""
    medians: dict[str, float] = json.loads((work / "pairs.json").read_text())
    return medians
