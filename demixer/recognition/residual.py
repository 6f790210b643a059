"""What a song does not explain of a file, segment by segment: another verse, a voice over it, another ending."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds
from demixer.recognition.stft import BANDS, Floats, Spectrum, power


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """Energies in each 0.37 s of a file, shape (segments,). The song has one gain for each segment and band."""

    energy: Floats  # of the file
    unexplained: Floats  # of the file without the song
    excess: Floats  # of bins that stand out above the song
    song_energy: Floats

    @classmethod
    def of(cls, file: Spectrum, song: Spectrum, bands: Sequence[slice] = BANDS) -> "Residual":
        """Both spectra have the shape (frames, bins). With both exchanged: what of the song the file lacks."""
        length = thresholds.SEGMENT_FRAMES
        segments = len(file) // length
        sums = np.zeros((4, segments))
        for band in bands:
            sums += _energies(*(one[: segments * length, band].reshape(segments, -1) for one in (file, song)))
        return cls(*sums)

    def select(self, segments: NDArray[np.bool_]) -> "Residual":
        return Residual(
            self.energy[segments], self.unexplained[segments], self.excess[segments], self.song_energy[segments]
        )

    @property
    def share(self) -> float:
        """Share of the energy that is unexplained."""
        return float(self.unexplained.sum() / max(self.energy.sum(), 1e-12))

    @property
    def excess_share(self) -> float:
        """Share of the energy in bins that stand out above the song."""
        return float(self.excess.sum() / max(self.energy.sum(), 1e-12))

    @property
    def local_excess_share(self) -> float:
        """The same in the 4 s that have most of it, where a quiet segment counts as one of the mean energy."""
        energy = np.maximum(self.energy, self.energy.mean()) if len(self.energy) else self.energy
        return float(_windowed_shares(self.excess, energy).max(initial=0.0))

    @property
    def is_edited(self) -> bool:
        """Whether something else plays for 4 s somewhere, or the file is muted where the song is not."""
        window = thresholds.WINDOW_SEGMENTS
        shares, levels = _windowed_shares(self.unexplained, self.energy), self._relative_levels(window)
        is_loud, is_audible = (
            levels.max(axis=0) > thresholds.LOUD_ENERGY,
            levels.min(axis=0) > thresholds.AUDIBLE_ENERGY,
        )
        is_other = (shares > thresholds.MAX_LOCAL_RESIDUAL) & is_loud
        is_other_and_quiet = (shares > thresholds.MAX_QUIET_LOCAL_RESIDUAL) & is_audible
        return not is_loud.any() or bool((is_other | is_other_and_quiet).any()) or self._is_muted

    @property
    def _is_muted(self) -> bool:
        """Between its first and its last loud segment: before and after them it may fade."""
        energy, song = self._relative_levels(1)
        is_muted = (song > thresholds.LOUD_ENERGY) & (energy < thresholds.MUTED_RATIO * song)
        is_loud = energy > thresholds.LOUD_ENERGY
        has_begun, goes_on = np.logical_or.accumulate(is_loud), np.logical_or.accumulate(is_loud[::-1])[::-1]
        return bool((is_muted & has_begun & goes_on).any())

    def _relative_levels(self, length: int) -> Floats:
        """The energy of each window of `length` segments beside the mean window, of the file and of the song.

        Shape (2, windows).
        """
        sums = (_sliding_sums(energy, length) for energy in (self.energy, self.song_energy))
        return np.stack([one / max(float(one.mean()), 1e-12) if len(one) else one for one in sums])


def has_local_addition(residual: Residual, missing: Residual) -> bool:
    """Whether a sound was added to the file for a while, or to the song.

    `missing`: the residual of the song when the file explains it. An encoder that takes much of a song adds much, too.
    Who has the song as it was before something was added to it has nothing that stands out above it.
    """
    if len(residual.energy):
        missing = missing.select(residual.energy > thresholds.AUDIBLE_ENERGY * residual.energy.mean())
    allowance = thresholds.MISSING_EXCESS_ALLOWANCE * residual.excess_share
    return (
        residual.local_excess_share > thresholds.MAX_LOCAL_EXCESS
        or missing.local_excess_share > thresholds.MAX_LOCAL_EXCESS + allowance
        or missing.excess_share > thresholds.MAX_MISSING_EXCESS + allowance
    )


def _energies(file: Spectrum, song: Spectrum) -> Floats:
    """Of the file, of what the song at its best gain does not explain, of the excess, of the song. Shape (4, segments).

    Both have the shape (segments, bins of all frames).
    """
    file_power, song_power = power(file), power(song)
    energy, song_energy = file_power.sum(axis=1), np.maximum(song_power.sum(axis=1), 1e-12)
    cross = np.abs((song.conj() * file).sum(axis=1))
    gain = cross / song_energy
    excess = np.maximum(0, file_power - thresholds.EXCESS_RATIO * (gain**2)[:, None] * song_power).sum(axis=1)
    return np.stack([energy, energy - cross * gain, excess, song_energy]).astype(np.float64)


def _windowed_shares(part: Floats, whole: Floats) -> Floats:
    """Of each window of 4 s, which begin one segment after each other. Shape (windows,)."""
    window = thresholds.WINDOW_SEGMENTS
    return _sliding_sums(part, window) / np.maximum(_sliding_sums(whole, window), 1e-12)


def _sliding_sums(values: Floats, length: int) -> Floats:
    """Of `length` neighbours; of all values where there are fewer."""
    if not len(values):
        return values
    return np.convolve(values, np.ones(min(length, len(values))), mode="valid")
