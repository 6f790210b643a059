"""What is done to the samples of a song before they are encoded."""

from collections.abc import Callable

import numpy as np

from benchmarks.matching.sources import Source
from tests.audio_samples import SAMPLE_RATE, Samples

Effect = Callable[[Source], Samples]


def unchanged(source: Source) -> Samples:
    return source.song


def noisy(level: float) -> Effect:
    def effect(source: Source) -> Samples:
        noise = np.random.default_rng(1).standard_normal(source.song.shape).astype(np.float32)
        rms = np.float32(np.sqrt(np.mean(source.song**2)))
        return np.asarray(source.song + noise * rms * _gain(level), np.float32)

    return effect


def with_other(level: float) -> Effect:
    return lambda source: source.song + source.other * _gain(level)


def with_melody(level: float) -> Effect:
    return lambda source: source.song + source.melody * _gain(level)


def without(part: str) -> Effect:
    return lambda source: source.song - source.part(part)


def with_louder(part: str, level: float) -> Effect:
    return lambda source: source.song + source.part(part) * (_gain(level) - 1)


def variant(name: str) -> Effect:
    return lambda source: source.variant(name)


def _gain(level: float) -> np.float32:
    return np.float32(10 ** (level / 20))


def without_middle(source: Source) -> Samples:
    return np.concatenate([source.song[:, : _at(20)], source.song[:, _at(40) :]], axis=1)


def with_insertion(source: Source) -> Samples:
    inserted = source.other[:, _at(10) : _at(15)]
    return np.concatenate([source.song[:, : _at(30)], inserted, source.song[:, _at(30) :]], axis=1)


def with_intro(source: Source) -> Samples:
    return np.concatenate([source.other[:, : _at(40)], source.song], axis=1)


def first_half_minute(source: Source) -> Samples:
    return source.song[:, : _at(32)]


def without_centre(source: Source) -> Samples:
    sides = (source.song[0] - source.song[1]) / 2
    left, right = np.mean(source.song**2, axis=1)
    if np.mean(sides**2) < 1e-3 * np.mean(source.song**2) or max(left, right) > 10 * min(left, right):
        source.variant("a side")  # mono, or all on one side: nothing is taken away
    return np.stack([sides, sides])


def _at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
