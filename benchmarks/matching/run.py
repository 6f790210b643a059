"""All stages of it, one after another; each keeps what it made in the work folder, and goes on where it was killed."""

import os
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.matching import corpus, making, midi, preparing
from benchmarks.matching.kinds import Group, kinds_of
from benchmarks.matching.sources import SECONDS, Source
from demixer.recognition import similarity
from demixer.recognition.fingerprint import Fingerprint

PARTS = {"vocals", "drums", "other"}  # that a song which is played must have


@dataclass(frozen=True, slots=True)
class Task:
    source: Path
    other: Path
    melody: Path


def started(processes: int) -> ProcessPoolExecutor:
    os.environ["OMP_NUM_THREADS"] = "1"  # the processes share the processors
    return ProcessPoolExecutor(processes)


def tasks(work: Path, pool: ProcessPoolExecutor, tracks: int, played: int) -> list[Task]:
    scores = list(islice(_playable(work), played))
    found = list(islice(_long_enough(work, pool), tracks + 1))
    songs = [*scores, *found[:tracks]]
    others = [*islice(cycle(found), len(scores)), *found[1:]]  # of each track the next one
    melodies = cycle([*scores[1:4], scores[0]])
    return [Task(song, other, melody) for song, other, melody in zip(songs, others, melodies, strict=False)]


def _playable(work: Path) -> Iterator[Path]:
    for path in corpus.midi_files(work):
        score = midi.score_of(path, SECONDS)
        if score and score[-1].at > SECONDS - 5 and set(midi.parts_of(score)) >= PARTS:
            yield path


def _long_enough(work: Path, pool: ProcessPoolExecutor) -> Iterator[Path]:
    """Those whose print tells them from others: what has too little variety is recognised by its samples alone."""
    tracks = corpus.tracks(work)
    for track, print_ in zip(tracks, pool.map(partial(corpus.print_of, work), tracks), strict=True):
        cut = Fingerprint(print_.items[: round(SECONDS / 0.1238)], SECONDS)
        if print_.duration >= corpus.SHORTEST and similarity.tells(cut):
            yield track


PASSES = ({Group.KEPT, Group.MIX}, {Group.CHAIN, Group.OTHER, Group.EDIT, Group.PROCESSED})


def make(work: Path, groups: Container[Group], task: Task) -> str:
    song = preparing.prepared(work, task.source)
    kinds = [kind for kind in kinds_of(song.played) if kind.group in groups]
    making.make(song, Source(song, task.other, task.melody), kinds)
    return song.name


def make_all(work: Path, pool: ProcessPoolExecutor, wanted: Sequence[Task]) -> None:
    """What matters most of all songs first, so that half a run says something, too."""
    for groups in PASSES:
        for number, name in enumerate(pool.map(partial(make, work, groups), wanted), 1):
            print(f"{number} of {len(wanted)}: {name}", flush=True)
