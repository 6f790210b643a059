"""Which stems of a song are missing, interrupted, louder or quieter in a file, by their gains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.domain import MatchVerdict
from demixer.recognition import thresholds
from demixer.recognition.stem_gains import TileProducts
from demixer.recognition.stft import Floats, Spectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class StemLevels:
    """`missing`: stems that are gone. `interrupted`: that are gone for 15 s in which they sound in the song.

    `changes`: stems that are louder or quieter than the others, in dB. `is_conclusive`: whether the stems whose gains
    can be measured have enough of the song's energy to tell that nothing changed.
    """

    missing: tuple[str, ...]
    interrupted: tuple[str, ...]
    changes: dict[str, float]
    is_conclusive: bool

    @property
    def verdict(self) -> MatchVerdict:
        """SAME, MIX or UNSURE."""
        if self.missing or self.interrupted or self.changes:
            return MatchVerdict.MIX
        return MatchVerdict.SAME if self.is_conclusive else MatchVerdict.UNSURE


def measure_stem_levels(names: tuple[str, ...], file: Spectrum, song: Spectrum, *stems: Spectrum) -> StemLevels:
    """The stems of the song in the file, beside those in the song's own mixture. All spectra are of one length."""
    in_file, in_song = TileProducts.of([file, song], [*stems])
    gains, is_measured = _relative_gains(in_file, in_song, thresholds.MIN_STEM_ENERGY)
    measured = [(name, gain) for name, gain, known in zip(names, gains, is_measured, strict=True) if known]
    missing = tuple(name for name, gain in measured if gain < thresholds.MISSING_GAIN)
    changes = {
        name: round(20 * float(np.log10(gain)), 1)
        for name, gain in measured
        if gain >= thresholds.MISSING_GAIN and not 1 / thresholds.MAX_GAIN_RATIO < gain < thresholds.MAX_GAIN_RATIO
    }
    return StemLevels(
        missing=missing,
        changes=changes,
        interrupted=() if missing or changes else _interrupted(names, in_file, in_song),
        is_conclusive=float(in_song.energy_shares()[is_measured].sum()) >= thresholds.MIN_JUDGED_ENERGY,
    )


def _interrupted(names: tuple[str, ...], in_file: TileProducts, in_song: TileProducts) -> tuple[str, ...]:
    """Stems that sound in some window of the song, and are missing from the file there."""
    count = int(in_song.time.max(initial=0)) + 2 - thresholds.INTERRUPTION_TILES
    if count < 1:
        return ()
    song_windows = in_song.windows(count, thresholds.INTERRUPTION_TILES)
    file_windows = in_file.windows(count, thresholds.INTERRUPTION_TILES)
    gains, is_measured = _relative_gains(file_windows, song_windows, thresholds.MIN_INTERRUPTED_STEM_ENERGY)
    is_loud = song_windows.mean_energy > thresholds.MIN_INTERRUPTION_ENERGY * in_song.mean_energy
    is_audible = is_loud & (file_windows.mean_energy > 0)
    is_missing = np.any(is_measured & (gains < thresholds.MISSING_GAIN) & is_audible[:, None], axis=0)
    return tuple(name for name, missing in zip(names, is_missing, strict=True) if missing)


def _relative_gains(
    in_file: TileProducts, in_song: TileProducts, min_energy: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """The gain of each stem, relative to that of most of the energy, and whether it is measured well enough to count.

    Shapes (..., stems). Where a model separated poorly, the gains in the song's own mixture are not all 1.
    """
    (gains, errors), (own_gains, _), shares = in_file.stem_gains(), in_song.stem_gains(), in_song.energy_shares()
    is_measured = (shares > min_energy) & (errors < thresholds.MAX_GAIN_ERROR * np.abs(own_gains))
    gains = gains / np.where(is_measured, own_gains, 1.0)
    return gains / _median_gain(gains, np.where(is_measured, shares, 0.0)), is_measured


def _median_gain(gains: Floats, shares: Floats) -> Floats:
    """The median, weighted by `shares` of the energy, of the gains of the stems that are not missing.

    Shape (..., 1); 1 where there are none. A stem with a share of 0 does not count.
    """
    largest = np.where(shares > 0, gains, 0.0).max(axis=-1, keepdims=True)
    is_present = (shares > 0) & (gains >= thresholds.MISSING_GAIN * np.maximum(largest, 0.0))
    order = np.argsort(gains, axis=-1)
    cumulated = np.cumsum(np.take_along_axis(np.where(is_present, shares, 0.0), order, -1), axis=-1)
    middle = (cumulated >= cumulated[..., -1:] / 2).argmax(axis=-1, keepdims=True)
    median = np.take_along_axis(np.take_along_axis(gains, order, -1), middle, -1)
    found: Floats = np.where(is_present.any(axis=-1, keepdims=True), median, 1.0)
    return found
