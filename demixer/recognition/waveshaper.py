"""The static nonlinearity of a file, estimated and applied to the song: what a clipper or a simple limiter does."""

import numpy as np

from demixer.recognition import thresholds
from demixer.recognition.stft import Floats, Samples

_STEPS = 1 << 15  # from silence to full scale: a reference has 16 bits


def shaped_like(file: Samples, song: Samples) -> Samples:
    """The song after the curve by which each of its levels is, on average, as loud as in the file. Same shapes."""
    stride = thresholds.WAVESHAPER_STRIDE
    song_levels, file_levels = _curve(song[::stride], file[::stride])
    peak = float(np.abs(song).max())
    steps = np.arange(round(peak * _STEPS) + 1)
    positive = np.interp(steps / _STEPS, *_extended(song_levels, file_levels, peak)).astype(np.float32)
    table = np.concatenate([-positive[:0:-1], positive])
    shaped: Samples = table[np.rint(song * _STEPS).astype(np.intp) + steps[-1]]
    return shaped


def _curve(song: Samples, file: Samples) -> tuple[Floats, Floats]:
    """The mean of each level of the song, and of the file at the same samples. Shapes (levels,)."""
    magnitude = np.abs(song)
    edges = np.unique(np.quantile(magnitude, np.linspace(0, 1, thresholds.WAVESHAPER_LEVELS + 1)))
    level = np.clip(np.searchsorted(edges, magnitude, side="right") - 1, 0, max(0, len(edges) - 2))
    count = np.bincount(level)
    used = count > 0
    song_levels, file_levels = (
        np.bincount(level, values)[used] / count[used] for values in (magnitude, file * np.sign(song))
    )
    return song_levels, file_levels


def _extended(song_levels: Floats, file_levels: Floats, peak: float) -> tuple[Floats, Floats]:
    """From zero, which stays zero, to the peak, by the slope of the last two levels."""
    before, after = np.concatenate([[0.0], song_levels]), np.concatenate([[0.0], file_levels])
    slope = (after[-1] - after[-2]) / max(before[-1] - before[-2], 1e-9)
    return np.append(before, peak), np.append(after, after[-1] + slope * (peak - before[-1]))
