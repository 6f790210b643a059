"""Time alignment of a file with a song, to a fraction of a sample, by cross-correlation.

A fingerprint knows the offset to 62 ms. Windows that are spread over the song agree on the exact lag only where nothing
was cut out, inserted or played faster. Source: Knapp and Carter, "The generalized correlation method for estimation of
time delay", 1976; half the whitening of their phase transform, so that noise does not dominate quiet frequencies.
"""

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds
from demixer.recognition.reference import RATE
from demixer.recognition.stft import Samples, Spectrum

_FRACTIONS: NDArray[np.float64] = np.linspace(-1.0, 1.0, 81)  # of a sample


def find_lag(file: Samples, song: Samples, expected: int) -> int | None:
    """The lag: the sample of the file at which the song begins, negative where its beginning is cut off.

    `expected`: the lag by the fingerprints, in samples, right to within `ALIGNMENT_REACH`. None where too few windows
    agree, or there are none.
    """
    window, reach = thresholds.ALIGNMENT_WINDOW, thresholds.ALIGNMENT_REACH
    first, last = max(0, -expected) + reach, min(len(song), len(file) - expected) - window - reach
    if last <= first:
        return None
    starts = np.linspace(first, last, thresholds.ALIGNMENT_WINDOWS).astype(int).tolist()
    lags = [lag for start in starts if (lag := _lag_at(file, song, expected, start)) is not None]
    if not lags:
        return None
    median = int(np.median(lags))
    agreement = float(np.mean(np.abs(np.array(lags) - median) <= thresholds.ALIGNMENT_TOLERANCE))
    return median if agreement >= thresholds.MIN_ALIGNMENT_AGREEMENT else None


def overlapping(file: Samples, song: NDArray[np.float32], lag: int) -> tuple[Samples, NDArray[np.float32]]:
    """The samples that both have. `song` has the shape (..., samples)."""
    file, song = file[max(0, lag) :], song[..., max(0, -lag) :]
    length = min(len(file), song.shape[-1])
    return file[:length], song[..., :length]


def fractional_delay(file: Spectrum, song: Spectrum, frequencies: NDArray[np.floating]) -> float:
    """Samples by which the file still comes later than the song, -1 to 1, by the slope of the phase over frequency.

    `frequencies`: Hz, shape (bins,).
    """
    band = slice(*np.searchsorted(frequencies, thresholds.ALIGNMENT_BAND))
    cross_spectrum = np.einsum("tf,tf->f", file[:, band], song[:, band].conj())
    cross_spectrum = cross_spectrum / np.sqrt(np.abs(cross_spectrum) + 1e-12)
    rotations = np.exp(2j * np.pi * np.outer(_FRACTIONS, frequencies[band]) / RATE)
    return float(_FRACTIONS[np.argmax((rotations @ cross_spectrum).real)])


def _lag_at(file: Samples, song: Samples, expected: int, start: int) -> int | None:
    """The lag by the window of the song that begins at `start`. None where one of both is silent."""
    window, reach = thresholds.ALIGNMENT_WINDOW, thresholds.ALIGNMENT_REACH
    song_part = song[start : start + window]
    file_part = file[start + expected - reach : start + expected + window + reach]
    if min(np.mean(song_part**2), np.mean(file_part**2)) < thresholds.ALIGNMENT_SILENCE:
        return None
    size = 1 << (len(file_part) + window - 1).bit_length()
    cross_spectrum = np.fft.rfft(file_part, size) * np.fft.rfft(song_part, size).conj()
    cross_spectrum /= np.sqrt(np.abs(cross_spectrum)) + 1e-12
    return expected - reach + int(np.argmax(np.fft.irfft(cross_spectrum, size)[: 2 * reach + 1]))
