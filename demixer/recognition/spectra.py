"""Short-time spectra of mono sounds at `RATE`, and the bands in which files and songs are compared."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.alignment import Sound, Spectrum
from demixer.recognition.reference import RATE

Numbers = NDArray[np.float64]

FRAME, HOP = 1024, 512  # samples: 93 and 46 ms
EDGES = (60, 150, 250, 400, 600, 850, 1150, 1550, 2100, 2900, 3900, 5000)  # Hz: each band has a gain of its own
FREQUENCIES = np.fft.rfftfreq(FRAME, 1 / RATE)
FREQUENCIES = FREQUENCIES[: int(np.searchsorted(FREQUENCIES, EDGES[-1]))]
BANDS = tuple(slice(*np.searchsorted(FREQUENCIES, edges)) for edges in pairwise(EDGES))

CUT = 0.3  # power: above the last bin in which a file has so much of its song, its treble was cut off

BLOCK = 256  # frames transformed at a time: twice as fast as all, for they stay in the processor's cache

_WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


def spectrum(sound: Sound) -> Spectrum:
    """Shape (frames, bins of the bands and below); a sound shorter than a frame is filled up with silence."""
    if len(sound) < FRAME:
        sound = np.pad(sound, (0, FRAME - len(sound)))
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    spectrum = np.empty((len(frames), len(FREQUENCIES)), dtype=np.complex64)
    for at in range(0, len(frames), BLOCK):
        block = np.fft.rfft(frames[at : at + BLOCK] * _WINDOW, axis=1)
        spectrum[at : at + BLOCK] = block[:, : len(FREQUENCIES)]
    return spectrum


def below_cutoff(heard: Spectrum, mixture: Spectrum) -> list[slice]:
    """The bands of what the file has of the song: one of 8,000 Hz lacks all above 4 kHz, and that says nothing."""
    ours, theirs = (_balance(one) for one in (heard, mixture))
    end = 1 + int(np.flatnonzero(ours >= CUT * theirs).max(initial=BANDS[0].start))
    return [slice(band.start, min(band.stop, end)) for band in BANDS if band.start < end]


def _balance(spectrum: Spectrum) -> NDArray[np.float32]:
    """Of the energy in the bands, the share of each bin."""
    power = power_of(spectrum).sum(axis=0)
    balance: NDArray[np.float32] = power / max(float(power[BANDS[0].start :].sum()), 1e-12)
    return balance


def power_of(spectrum: Spectrum) -> NDArray[np.float32]:
    power: NDArray[np.float32] = spectrum.real**2 + spectrum.imag**2
    return power
