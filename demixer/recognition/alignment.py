"""Where two sounds of one recording lie on each other, to a fraction of a sample, and whether they stay there.

A fingerprint knows an offset to 62 ms. The cross-correlation of a few windows knows it to the sample, and windows far
from each other agree only where nothing was cut out, put in, or played faster.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.reference import RATE

Sound = NDArray[np.float32]  # shape (samples,), mono, `RATE`
Spectrum = NDArray[np.complex64]  # shape (frames, bins)

WINDOW = 1 << 15  # samples, 3 s
REACH = 2048  # samples to either side, 0.19 s: a fingerprint is off by one item of 0.124 s at most
WINDOWS = 9
SPREAD = 3  # samples between windows that agree, 0.3 ms: what a codec's filters may move
TOGETHER = 0.6  # of the windows have to agree; in a quiet or steady passage one may be wrong
FRACTIONS: NDArray[np.float64] = np.linspace(-1.0, 1.0, 81)  # of a sample
CLEAR = (100.0, 4000.0)  # Hz: what every codec keeps
QUIET = 1e-9  # mean square of a window that says nothing


@dataclass(frozen=True, slots=True)
class Alignment:
    """`lag`: samples at `RATE` from the start of the first sound to where the second one's start lies in it."""

    lag: int
    agreement: float  # 0 to 1: share of windows that say so

    @property
    def milliseconds(self) -> float:
        return self.lag * 1000 / RATE


def locate(first: Sound, second: Sound, near: int) -> Alignment | None:
    """`near`: the lag by the fingerprints, in samples. None where too few windows agree, or there are none."""
    lags = [lag for at in _windows(first, second, near) if (lag := _lag_at(first, second, near, at)) is not None]
    if not lags:
        return None
    middle = int(np.median(lags))
    agreement = float(np.mean(np.abs(np.array(lags) - middle) <= SPREAD))
    return Alignment(middle, agreement) if agreement >= TOGETHER else None


def overlapping(first: Sound, second: NDArray[np.float32], lag: int) -> tuple[Sound, NDArray[np.float32]]:
    """What both have: `second` has the shape (..., samples)."""
    first, second = first[max(0, lag) :], second[..., max(0, -lag) :]
    length = min(len(first), second.shape[-1])
    return first[:length], second[..., :length]


def fraction(first: Spectrum, second: Spectrum, frequencies: NDArray[np.floating]) -> float:
    """Samples that `first` still comes later than `second`, between -1 and 1, by the slope of the phase."""
    clear = slice(*np.searchsorted(frequencies, CLEAR))
    crossed = np.einsum("tf,tf->f", first[:, clear], second[:, clear].conj())
    crossed = crossed / np.sqrt(np.abs(crossed) + 1e-12)
    turns = np.exp(2j * np.pi * np.outer(FRACTIONS, frequencies[clear]) / RATE)
    return float(FRACTIONS[np.argmax((turns @ crossed).real)])


def _windows(first: Sound, second: Sound, near: int) -> list[int]:
    """Where in the second sound, evenly spread over what both have."""
    begin, end = max(0, -near) + REACH, min(len(second), len(first) - near) - WINDOW - REACH
    return [] if end <= begin else np.linspace(begin, end, WINDOWS).astype(int).tolist()


def _lag_at(first: Sound, second: Sound, near: int, at: int) -> int | None:
    theirs, ours = second[at : at + WINDOW], first[at + near - REACH : at + near + WINDOW + REACH]
    if min(np.mean(theirs**2), np.mean(ours**2)) < QUIET:
        return None
    size = 1 << (len(ours) + WINDOW - 1).bit_length()
    crossed = np.fft.rfft(ours, size) * np.fft.rfft(theirs, size).conj()
    crossed /= np.sqrt(np.abs(crossed)) + 1e-12  # half whitened: sharp, and not all noise where nothing sounds
    return near - REACH + int(np.argmax(np.fft.irfft(crossed, size)[: 2 * REACH + 1]))
