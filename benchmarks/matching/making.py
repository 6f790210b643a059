"""Files of every kind: made, and heard as the `fingerprint` consumer hears an upload. What was heard is kept."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching.kinds import Kind
from benchmarks.matching.sources import Missing, Song, Source
from demixer.recognition.decoding import examine
from demixer.recognition.fingerprint import Fingerprint
from tests.audio_samples import Samples, write
from tests.music import converted


@dataclass(frozen=True, slots=True)
class Analysis:
    phases: tuple[bytes, bytes]
    sound: NDArray[np.int16]

    @property
    def prints(self) -> list[Fingerprint]:
        return [Fingerprint.from_bytes(phase) for phase in self.phases]


def make(song: Song, source: Source, kinds: Iterable[Kind]) -> None:
    """Those that are not there yet."""
    (song.folder / "files").mkdir(exist_ok=True)
    for kind in kinds:
        if not kept_at(song, kind).exists():
            try:
                _keep(kept_at(song, kind), kind, kind.change(source))
            except Missing:
                continue


def kept_at(song: Song, kind: Kind) -> Path:
    return song.folder / "files" / f"{kind.name}.npz"


def heard(song: Song, kind: Kind) -> Analysis | None:
    """None where there is no such file."""
    path = kept_at(song, kind)
    if not path.exists():
        return None
    with np.load(path) as kept:
        return Analysis((kept["first"].tobytes(), kept["second"].tobytes()), kept["sound"])


def _keep(target: Path, kind: Kind, samples: Samples) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = examine(encoded(Path(folder), kind, samples), max_minutes=20)
    first, second = (np.frombuffer(one.to_bytes(), dtype=np.uint8) for one in (found.fingerprint, found.shifted))
    unfinished = target.with_suffix(".new.npz")
    np.savez(unfinished, first=first, second=second, sound=found.sound)
    unfinished.rename(target)


def encoded(folder: Path, kind: Kind, samples: Samples) -> Path:
    (suffix, *options), *more = kind.steps
    file = write(folder / f"0.{suffix}", samples, *options)
    for number, (next_suffix, *others) in enumerate(more, 1):
        file = converted(file, folder / f"{number}.{next_suffix}", *others)
    return file
