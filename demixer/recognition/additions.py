"""Sound that was added to a file, or to the song that it is compared with: a voice, another song.

It shows in bursts (a whole band for 0.14 s) and in tones (one bin for 0.7 s). What an encoder adds is noise, and an
encoder that adds much of it takes much of the song, so the more of the song is lost, the more may be added.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demixer.recognition import thresholds
from demixer.recognition.stft import BANDS, Floats, Powers, Spectrum, bands_below_cutoff, power


@dataclass(frozen=True, slots=True)
class Additions:
    """Shares of a file's energy that stand out above the song: in `bursts`, in `tones`. `lost`: the share of the song's
    energy in bins that the file lacks."""

    bursts: float
    tones: float
    lost: float

    @classmethod
    def of(cls, file: Spectrum, song: Spectrum, bands: Sequence[slice] = BANDS) -> "Additions":
        """`song`: as long and as loud as the file. Both have the shape (frames, bins)."""
        found = np.sum([_energies_in_band(file[:, band], song[:, band]) for band in bands], axis=0)
        energy = max(power(file[:, BANDS[0].start : BANDS[-1].stop]).sum(dtype=np.float64), 1e-12)
        bursts, tones, lost, song_energy = found
        return cls(float(bursts / energy), float(tones / energy), float(lost / max(song_energy, 1e-12)))

    @property
    def ratio(self) -> float:
        """Of what stands out to what may stand out: at 1 and above, something was added."""
        lost = min(self.lost, thresholds.MAX_COUNTED_LOSS)
        max_bursts = thresholds.MAX_BURST_ENERGY + thresholds.BURST_ALLOWANCE * lost
        max_tones = thresholds.MAX_TONE_ENERGY + thresholds.TONE_ALLOWANCE * lost
        return max(self.bursts / max_bursts, self.tones / max_tones)


def addition_ratio(file: Spectrum, song: Spectrum) -> float:
    """Of what stands out of either above the other to what may: at 1 and above, something was added to one of them."""
    levelled_song = _levelled(song, file)
    file = file[: len(levelled_song)]
    added = Additions.of(file, levelled_song)
    lacking = Additions.of(levelled_song, _levelled(file, levelled_song), bands_below_cutoff(file, levelled_song))
    max_lacking = thresholds.MAX_LACKING_TONE_ENERGY + thresholds.LACKING_TONE_ALLOWANCE * lacking.lost
    return max(added.ratio, lacking.tones / max_lacking)


def _levelled(song: Spectrum, file: Spectrum) -> Spectrum:
    """The song as loud as the file in each 0.7 s, for fades, loudness normalisation and compression add nothing."""
    file_parts, song_parts = (_split(one, min(thresholds.TONE_FRAMES, len(file))) for one in (file, song))
    return (song_parts * _gains(file_parts, song_parts)).reshape(-1, song.shape[1])


def _energies_in_band(file: Spectrum, song: Spectrum) -> Floats:
    """Energies in bursts, in tones, lost, and of the song, which has one gain for each tile. Shape (4,)."""
    file_tiles, song_tiles = (_split(one, min(thresholds.TILE_FRAMES, len(file))) for one in (file, song))
    expected = song_tiles * _gains(file_tiles, song_tiles)
    residual = file_tiles - expected
    powers = [power(one) for one in (file_tiles, expected, residual)]
    tone_powers = [_summed(one, thresholds.TONE_FRAMES) for one in powers]
    is_steady = _steady_power(residual) > thresholds.MIN_TONE_STEADINESS * tone_powers[2]
    lost = np.maximum(0, tone_powers[1] - thresholds.LOST_RATIO * tone_powers[0])
    found = (_bursts(*powers), _tones(*tone_powers)[is_steady], lost, powers[1])
    return np.array([one.sum(dtype=np.float64) for one in found])


def _bursts(file: Powers, song: Powers, residual: Powers) -> Powers:
    """What exceeds the song and the noise floor: the quietest tenth of the residual. Shape (tiles, bursts)."""
    file, song, residual = (_summed(one, thresholds.BURST_FRAMES).sum(axis=2) for one in (file, song, residual))
    noise = np.quantile(residual, thresholds.NOISE_QUANTILE, axis=1, keepdims=True)
    return np.maximum(0, file - thresholds.BURST_RATIO * song - thresholds.NOISE_MARGIN * noise)


def _tones(file: Powers, song: Powers, residual: Powers) -> Powers:
    """What exceeds the song and the noise around it: the median of the band's bins. Shape (tiles, tones, bins)."""
    noise = np.median(residual, axis=2, keepdims=True)
    return np.maximum(0, file - thresholds.TONE_RATIO * song - thresholds.NOISE_MARGIN * noise)


def _steady_power(residual: Spectrum) -> Powers:
    """Of each 0.7 s, the part of its power that turns by one angle from frame to frame. Shape (tiles, tones, bins)."""
    tones = residual.reshape(len(residual), -1, thresholds.TONE_FRAMES, residual.shape[2])
    steady: Powers = np.abs((tones[:, :, 1:] * tones[:, :, :-1].conj()).sum(axis=2))
    return steady


def _split(spectrum: Spectrum, frames: int) -> Spectrum:
    """Into parts of so many frames, without the rest at the end. Shape (parts, frames, bins)."""
    return spectrum[: len(spectrum) // frames * frames].reshape(-1, frames, spectrum.shape[1])


def _summed(powers: Powers, frames: int) -> Powers:
    """Over so many frames each. Shape (parts, sums, bins)."""
    sums: Powers = powers.reshape(len(powers), -1, frames, powers.shape[2]).sum(axis=2)
    return sums


def _gains(file: Spectrum, song: Spectrum) -> Powers:
    """Of each part, the gain with which the song explains the file best. Shape (parts, 1, 1)."""
    cross, song_power = np.abs((song.conj() * file).sum(axis=(1, 2))), power(song).sum(axis=(1, 2))
    gains: Powers = (cross / np.maximum(song_power, 1e-12))[:, None, None].astype(np.float32)
    return gains
