"""What a pair takes, beside pyacoustid: `pip install pyacoustid`, which needs no library for this."""

import json
import statistics
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from benchmarks.matching.kinds import BY_NAME
from benchmarks.matching.making import heard
from benchmarks.matching.sources import Song
from benchmarks.report import milliseconds
from demixer.audio import likeness
from demixer.audio.fingerprint import Fingerprint

PAIRS = 50


def measure(work: Path, songs: Sequence[Song]) -> None:
    """What `compare_fingerprints` does once it has unpacked two prints, and what we do with two phases and with one."""
    acoustid = _acoustid()
    taken: dict[str, list[float]] = {"pyacoustid": [], "two phases": [], "one phase": []}
    for song, other in zip(songs[:PAIRS], [*songs[1:], *songs[:1]], strict=False):
        ours, file = Fingerprint.from_bytes(other.print), heard(song, BY_NAME["mp3 128"])
        if file is None:
            continue
        theirs, prints = [one.items.tolist() for one in (ours, file.prints[0])], file.prints
        taken["pyacoustid"].append(milliseconds(partial(acoustid._match_fingerprints, *theirs)))
        taken["two phases"].append(milliseconds(partial(likeness.compare, ours, prints)))
        taken["one phase"].append(milliseconds(partial(likeness.compare, ours, prints[:1])))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    (work / "pairs.json").write_text(json.dumps(medians))


def measured(work: Path) -> dict[str, float]:
    """Milliseconds a pair, the median."""
    medians: dict[str, float] = json.loads((work / "pairs.json").read_text())
    return medians


def _acoustid() -> Any:
    try:
        return import_module("acoustid")
    except ImportError as error:
        raise click.ClickException("pip install pyacoustid") from error
