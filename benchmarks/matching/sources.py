"""What files are made of: a song, another one, a melody, and the parts and variants of rendered songs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from benchmarks.matching import midi
from tests import music
from tests.audio_samples import SAMPLE_RATE, Samples

SECONDS = 60.0  # of each song
MIN_PART_ENERGY = 1e-4  # share of the energy, -40 dB: of a quieter part no karaoke version is made


@dataclass(frozen=True, slots=True)
class Song:
    """In its folder: `song.flac`, a FLAC file for each stem, the reference, and the outcomes of its files."""

    name: str
    folder: Path
    stems: tuple[str, ...]
    fingerprint: bytes
    shares: Mapping[str, float]  # of the energy, of each stem

    @property
    def is_rendered(self) -> bool:
        """From MIDI, so that its stems are exact."""
        return self.name.startswith("midi/")


class Missing(Exception):
    """A song has no such part, so there is no such file of it."""


class Source:
    """`other`: another song; `melody`: a song to take the melody of."""

    def __init__(self, song: Song, other: Path, melody: Path) -> None:
        self._song, self._other, self._melody = song, other, melody

    @cached_property
    def song(self) -> Samples:
        return music.decoded(self._song.folder / "song.flac")

    @cached_property
    def other(self) -> Samples:
        """Of another song, as long and as loud as this one."""
        return self._fitted(beginning_of(self._other))

    @cached_property
    def melody(self) -> Samples:
        return self._fitted(_melody_of(self._melody))

    def part(self, name: str) -> Samples:
        if self._song.shares.get(name, 0.0) < MIN_PART_ENERGY:
            raise Missing(name)
        return music.decoded(self._song.folder / f"{name}.flac")

    def variant(self, name: str) -> Samples:
        path = self._song.folder / "variants" / f"{name}.flac"
        if not path.exists():
            raise Missing(name)
        return music.decoded(path)

    def _fitted(self, samples: Samples) -> Samples:
        repeated = np.resize(samples.T, self.song.T.shape).T
        gain = np.sqrt(np.mean(self.song**2) / max(1e-12, float(np.mean(repeated**2))))
        return np.asarray(repeated * gain, np.float32)


@cache
def _melody_of(path: Path) -> Samples:
    score = midi.score_of(path, SECONDS)
    return midi.render(midi.keep_channels(score, midi.parts_of(score)["vocals"]), SECONDS)


def beginning_of(path: Path) -> Samples:
    raw = ("-t", str(SECONDS), "-f", "f32le", "-ac", "2", "-ar", str(SAMPLE_RATE), "-")
    return np.frombuffer(music.ffmpeg("-i", str(path), "-map", "0:a:0", *raw), dtype="<f4").reshape(-1, 2).T
