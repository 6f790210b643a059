"""What stands out of a file above the song that it should be, or of the song above the file: a voice, another song.

It shows in bursts and in notes. What an encoder adds is noise; and one that adds much takes much as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.alignment import Spectrum
from demixer.recognition.factors import CELL
from demixer.recognition.spectra import BANDS, Numbers, below_cutoff, power_of

Powers = NDArray[np.float32]

BURST = 2  # frames, 0.14 s, of a whole band: an encoder keeps its energy, whatever becomes of the bins
BURST_LOUDER = 4.0  # power: 6 dB more than the song has there
NOTE = 16  # frames, 0.7 s, of one bin; `CELL` is a multiple of it
NOTE_LOUDER = 1.6  # power: 2 dB more than the song has there, and more than twice the noise around it
STEADY = 0.8  # how much of it turns by one angle from frame to frame: all of a note, a third of an encoder's noise
LOST = 4.0  # power: a note 6 dB below the song is lost
# Of the energy, what may stand out in bursts and in notes, and how many times more for each part of the song that is
# lost: what somebody adds takes nothing. Set between what 120 songs gave of either kind: docs/recognition.md.
ALLOWED, FOR_LOST = np.array((10**-2.85, 10**-3.65)), np.array((8.0, 1.0))
MOST_LOST = 10**-2.5  # that counts: stereo AAC at 32 kbit/s loses 10**-2.6 at most
LACKING, FOR_ADDED = 10**-3.3, 8.0  # the same for notes that the file lacks: an encoder that takes them adds much


@dataclass(frozen=True, slots=True, eq=False)
class Additions:
    """`beyond`: of the file's energy, what stands out in bursts, and in notes. `lost`: of the song's, what it lacks."""

    beyond: Numbers  # shape (2,)
    lost: float

    @classmethod
    def of(cls, heard: Spectrum, mixture: Spectrum, bands: Sequence[slice] = BANDS) -> "Additions":
        """`mixture`: as long and as loud as `heard`."""
        found = np.sum([_in_band(heard[:, band], mixture[:, band]) for band in bands], axis=0)
        energy = power_of(heard[:, BANDS[0].start : BANDS[-1].stop]).sum(dtype=np.float64)
        bursts, notes, lost, expected = found
        return cls(np.array([bursts, notes]) / max(energy, 1e-12), float(lost / max(expected, 1e-12)))

    @property
    def much(self) -> float:
        """Beside what may stand out: 1 and more was added."""
        return float((self.beyond / (ALLOWED + FOR_LOST * min(self.lost, MOST_LOST))).max())


def between(heard: Spectrum, mixture: Spectrum) -> float:
    """Beside what may stand out of either above the other. 1 and more: one of them has something that was added."""
    song = _as_loud(mixture, heard)
    file = heard[: len(song)]
    more, less = Additions.of(file, song), Additions.of(song, _as_loud(file, song), below_cutoff(file, song))
    return max(more.much, float(less.beyond[1]) / (LACKING + FOR_ADDED * less.lost))


def _as_loud(mixture: Spectrum, heard: Spectrum) -> Spectrum:
    """The song at one gain for each moment of a note's length: faded, levelled or compressed as the file is."""
    ours, theirs = (_split(one, min(NOTE, len(heard))) for one in (heard, mixture))
    return (theirs * _gains(ours, theirs)).reshape(-1, mixture.shape[1])


def _in_band(heard: Spectrum, mixture: Spectrum) -> Numbers:
    """Energies at one gain a cell: in bursts, in notes, lost; and of the song. Shape (4,)."""
    ours, theirs = (_split(one, min(CELL, len(heard))) for one in (heard, mixture))
    expected = theirs * _gains(ours, theirs)
    powers = [power_of(one) for one in (ours, expected, ours - expected)]
    notes = [_sums(one, NOTE) for one in powers]
    steady = _turning(ours - expected) > STEADY * notes[2]
    lost = np.maximum(0, notes[1] - LOST * notes[0])
    found = (_bursts(*powers), _notes(*notes)[steady], lost, powers[1])
    return np.array([one.sum(dtype=np.float64) for one in found])


def _bursts(heard: Powers, song: Powers, rest: Powers) -> Powers:
    """Above the noise that is always there: twice the quietest tenth of what the song does not explain."""
    heard, song, rest = (_sums(one, BURST).sum(axis=2) for one in (heard, song, rest))
    noise = np.quantile(rest, 0.1, axis=1, keepdims=True)
    return np.maximum(0, heard - BURST_LOUDER * song - 2 * noise)


def _notes(heard: Powers, song: Powers, rest: Powers) -> Powers:
    """Above the noise beside them: twice the median of the band's bins."""
    return np.maximum(0, heard - NOTE_LOUDER * song - 2 * np.median(rest, axis=2, keepdims=True))


def _turning(rest: Spectrum) -> Powers:
    """Of each note, how much of it turns by one angle from frame to frame."""
    notes = rest.reshape(len(rest), -1, NOTE, rest.shape[2])
    turning: Powers = np.abs((notes[:, :, 1:] * notes[:, :, :-1].conj()).sum(axis=2))
    return turning


def _split(spectrum: Spectrum, length: int) -> Spectrum:
    """Into parts of so many frames, shape (parts, frames, bins)."""
    return spectrum[: len(spectrum) // length * length].reshape(-1, length, spectrum.shape[1])


def _sums(powers: Powers, frames: int) -> Powers:
    """Of so many frames each, shape (parts, sums, bins)."""
    sums: Powers = powers.reshape(len(powers), -1, frames, powers.shape[2]).sum(axis=2)
    return sums


def _gains(ours: Spectrum, theirs: Spectrum) -> Powers:
    """Of each part, with which theirs explains ours best; shape (parts, 1, 1)."""
    common, power = np.abs((theirs.conj() * ours).sum(axis=(1, 2))), power_of(theirs).sum(axis=(1, 2))
    gains: Powers = (common / np.maximum(power, 1e-12))[:, None, None].astype(np.float32)
    return gains
