"""The bandwidth of a file: the frequency up to which there is sound, measured while its samples pass."""

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds

_FRAME = 2048  # samples
_HANN = np.hanning(_FRAME + 1)[:_FRAME].astype(np.float32)


class BandwidthMeter:
    """Sums the power spectra of both channels, of 46 ms in each `BANDWIDTH_INTERVAL`."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._interval = round(thresholds.BANDWIDTH_INTERVAL * sample_rate)
        self._power = np.zeros(_FRAME // 2 + 1)
        self._next = self._interval // 2  # sample at which the next frame begins, counted from the start of `_rest`
        self._rest: NDArray[np.int16] = np.zeros((0, 2), np.int16)

    def add(self, samples: NDArray[np.int16]) -> None:
        """`samples`: what comes next, interleaved stereo, shape (samples, 2)."""
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        while self._next + _FRAME <= len(samples):
            frame = np.ascontiguousarray(samples[self._next : self._next + _FRAME].T)
            spectrum = np.fft.rfft(frame * _HANN)
            self._power += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
            self._next += self._interval
        start = min(self._next, len(samples))
        self._rest = samples[start:]
        self._next -= start

    def bandwidth(self) -> int:
        """Hz; 0 where nothing was measured."""
        is_sound = self._power > thresholds.BANDWIDTH_MIN_POWER * self._power.max()
        highest = int(np.flatnonzero(is_sound).max(initial=0))
        return round(highest * self._sample_rate / _FRAME)
