"""Short-time spectra of mono samples at `RATE`, and the frequency bands in which files and songs are compared."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds
from demixer.recognition.reference import RATE

Samples = NDArray[np.float32]  # shape (samples,), mono at `RATE`, full scale 1.0
Spectrum = NDArray[np.complex64]  # shape (frames, bins)
Powers = NDArray[np.float32]
Floats = NDArray[np.float64]

FRAME, HOP = 1024, 512  # samples: 93 and 46 ms
BAND_EDGES = (60, 150, 250, 400, 600, 850, 1150, 1550, 2100, 2900, 3900, 5000)  # Hz: each band has a gain of its own
_ALL_FREQUENCIES = np.fft.rfftfreq(FRAME, 1 / RATE)
FREQUENCIES = _ALL_FREQUENCIES[
    : int(np.searchsorted(_ALL_FREQUENCIES, BAND_EDGES[-1]))
]  # Hz, of the bins that are kept
BANDS = tuple(slice(*np.searchsorted(FREQUENCIES, edges)) for edges in pairwise(BAND_EDGES))

_BLOCK = 256  # frames transformed at a time: twice as fast as all at once, for they stay in the processor's cache
_HANN = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def stft(samples: Samples) -> Spectrum:
    """Shape (frames, len(FREQUENCIES)), with a Hann window. Fewer samples than a frame are padded with silence."""
    if len(samples) < FRAME:
        samples = np.pad(samples, (0, FRAME - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    spectrum = np.empty((len(frames), len(FREQUENCIES)), dtype=np.complex64)
    for start in range(0, len(frames), _BLOCK):
        block = np.fft.rfft(frames[start : start + _BLOCK] * _HANN, axis=1)
        spectrum[start : start + _BLOCK] = block[:, : len(FREQUENCIES)]
    return spectrum


def power(spectrum: Spectrum) -> Powers:
    squared: Powers = spectrum.real**2 + spectrum.imag**2
    return squared


def bands_below_cutoff(file: Spectrum, song: Spectrum) -> list[slice]:
    """The bands of the song that the file can have: a file of 8,000 Hz lacks all above 4 kHz, whatever its mix."""
    file_shares, song_shares = _bin_shares(file), _bin_shares(song)
    present = np.flatnonzero(file_shares >= thresholds.CUTOFF_RATIO * song_shares)
    end = 1 + int(present.max(initial=BANDS[0].start))
    return [slice(band.start, min(band.stop, end)) for band in BANDS if band.start < end]


def _bin_shares(spectrum: Spectrum) -> Powers:
    """Shape (bins,): of the energy in the bands, the share of each bin."""
    energies = power(spectrum).sum(axis=0)
    shares: Powers = energies / max(float(energies[BANDS[0].start :].sum()), 1e-12)
    return shares
