"""The waveform that a player draws, measured while the samples pass."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

POINTS = 2_000  # at most: more than the pixels of a wide screen
_BUCKET = 0.02  # seconds


class Waveform(TypedDict):
    duration: float  # seconds
    points: list[int]  # the peak of each equal part of the song, 0 to 255 for 0 to full scale, linear


class Peaks:
    """Takes blocks in order, then gives the waveform. Keeps 50 numbers a second, whatever the sample rate."""

    def __init__(self, sample_rate: int = 44_100) -> None:
        self._sample_rate = sample_rate
        self._width = max(1, round(sample_rate * _BUCKET))
        self._frames = 0
        self._rest: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._buckets: list[NDArray[np.float32]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """`block`: float32, shape (channels, frames), full scale 1.0."""
        self._frames += block.shape[1]
        peaks = np.concatenate([self._rest, np.abs(block).max(axis=0, initial=0.0)])
        whole = len(peaks) // self._width * self._width
        self._buckets.append(peaks[:whole].reshape(-1, self._width).max(axis=1))
        self._rest = peaks[whole:]

    def waveform(self) -> Waveform:
        """For JSON: at most `POINTS` values of 0 to 255."""
        tail = [self._rest.max(keepdims=True)] if self._rest.size else []
        buckets = np.concatenate([*self._buckets, *tail, np.zeros(0, dtype=np.float32)])
        points = np.rint(_reduced(buckets).clip(0, 1) * 255).astype(np.uint8)
        return Waveform(duration=round(self._frames / self._sample_rate, 3), points=[int(point) for point in points])


def _reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maxima of at most `POINTS` parts of (nearly) equal length."""
    if len(values) <= POINTS:
        return values
    starts = np.arange(POINTS) * len(values) // POINTS
    return np.maximum.reduceat(values, starts)
