"""Makes songs and files, stage after stage. Each stage keeps its results and resumes where it was killed."""

import os
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.matching import corpus, files, midi, preparation
from benchmarks.matching.sources import SECONDS, Source
from benchmarks.matching.transforms import Group, transforms_of
from demixer.recognition import similarity
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint

PARTS = {"vocals", "drums", "other"}  # that a rendered song must have


@dataclass(frozen=True, slots=True)
class Task:
    source: Path
    other: Path
    melody: Path


def started(processes: int) -> ProcessPoolExecutor:
    os.environ["OMP_NUM_THREADS"] = "1"  # the processes share the processors
    return ProcessPoolExecutor(processes)


def tasks(work: Path, pool: ProcessPoolExecutor, tracks: int, played: int) -> list[Task]:
    scores = list(islice(_renderable(work), played))
    found = list(islice(_long_enough(work, pool), tracks + 1))
    songs = [*scores, *found[:tracks]]
    others = [*islice(cycle(found), len(scores)), *found[1:]]  # of each track the next one
    melodies = cycle([*scores[1:4], scores[0]])
    return [Task(song, other, melody) for song, other, melody in zip(songs, others, melodies, strict=False)]


def _renderable(work: Path) -> Iterator[Path]:
    for path in corpus.midi_files(work):
        score = midi.score_of(path, SECONDS)
        if score and score[-1].at > SECONDS - 5 and set(midi.parts_of(score)) >= PARTS:
            yield path


def _long_enough(work: Path, pool: ProcessPoolExecutor) -> Iterator[Path]:
    """Those with a distinctive fingerprint. Others are recognised by the hash of their samples."""
    tracks = corpus.tracks(work)
    for track, fingerprint in zip(tracks, pool.map(partial(corpus.fingerprint_of, work), tracks), strict=True):
        cut = Fingerprint(fingerprint.items[: round(SECONDS / ITEM_SECONDS)], SECONDS)
        if fingerprint.duration >= corpus.SHORTEST and similarity.is_distinctive(cut):
            yield track


PASSES = ({Group.KEPT, Group.MIX}, {Group.CHAIN, Group.OTHER, Group.EDIT, Group.PROCESSED})


def make(work: Path, groups: Container[Group], task: Task) -> str:
    song = preparation.prepare(work, task.source)
    transforms = [transform for transform in transforms_of(song.is_rendered) if transform.group in groups]
    files.make(song, Source(song, task.other, task.melody), transforms)
    return song.name


def make_all(work: Path, pool: ProcessPoolExecutor, wanted: Sequence[Task]) -> None:
    """The most important transforms of all songs first, so that half a run is of use, too."""
    for groups in PASSES:
        for number, name in enumerate(pool.map(partial(make, work, groups), wanted), 1):
            print(f"{number} of {len(wanted)}: {name}", flush=True)
