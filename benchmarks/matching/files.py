"""Files of every transform: made, and decoded as the `fingerprint` consumer does it. What was measured is kept."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.matching.sources import Missing, Song, Source
from benchmarks.matching.transforms import Transform
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import Pcm
from tests.audio_samples import Samples, write
from tests.music import converted


@dataclass(frozen=True, slots=True)
class FileAnalysis:
    variants: tuple[bytes, bytes]  # the fingerprint and its half-hop variant
    samples: Pcm

    @property
    def fingerprints(self) -> list[Fingerprint]:
        return [Fingerprint.from_bytes(variant) for variant in self.variants]


def make(song: Song, source: Source, transforms: Iterable[Transform]) -> None:
    """Those that are not there yet."""
    (song.folder / "files").mkdir(exist_ok=True)
    for transform in transforms:
        if not path_of(song, transform).exists():
            try:
                _make(path_of(song, transform), transform, transform.effect(source))
            except Missing:
                continue


def path_of(song: Song, transform: Transform) -> Path:
    return song.folder / "files" / f"{transform.name}.npz"


def load(song: Song, transform: Transform) -> FileAnalysis | None:
    """None where there is no such file."""
    path = path_of(song, transform)
    if not path.exists():
        return None
    with np.load(path) as kept:
        return FileAnalysis((kept["first"].tobytes(), kept["second"].tobytes()), kept["sound"])


def _make(target: Path, transform: Transform, samples: Samples) -> None:
    with tempfile.TemporaryDirectory() as folder:
        decoded = decode_and_fingerprint(encoded(Path(folder), transform, samples), max_minutes=20)
    first, second = (np.frombuffer(one.to_bytes(), dtype=np.uint8) for one in decoded.fingerprints)
    unfinished = target.with_suffix(".new.npz")
    np.savez(unfinished, first=first, second=second, sound=decoded.samples)
    unfinished.rename(target)


def encoded(folder: Path, transform: Transform, samples: Samples) -> Path:
    (suffix, *options), *more = transform.steps
    file = write(folder / f"0.{suffix}", samples, *options)
    for number, (next_suffix, *others) in enumerate(more, 1):
        file = converted(file, folder / f"{number}.{next_suffix}", *others)
    return file
