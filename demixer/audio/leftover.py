"""What of a file a song does not explain, moment by moment: another verse, a voice over it, the end of another song."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.audio.alignment import Spectrum
from demixer.audio.factors import CELL
from demixer.audio.spectra import BANDS, Numbers, power_of

MOMENT = 8  # frames, 0.37 s
BRIEF = 11  # moments, 4 s
LOUDER = 16.0  # power: a bin 12 dB above what the song has there did not come from it
BURST = 2  # frames, 0.14 s, of a whole band: an encoder keeps its energy, whatever becomes of the bins
BURST_LOUDER = 4.0  # power: 6 dB more than the song has there
NOTE = 16  # frames, 0.7 s, of one bin
NOTE_LOUDER = 1.6  # power: 2 dB more than the song has there, and more than twice the noise around it
STEADY = 0.8  # how much of it turns by one angle from frame to frame: all of a note, a third of an encoder's noise
# Of the energy, what may stand out in bursts and in notes, and how many times more for each part of the song that is
# lost: an encoder that adds so much takes as well, what somebody adds takes nothing.
ADDED, FOR_LOST = np.array((10**-2.9, 10**-3.65)), np.array((20.0, 1.0))
LOST = 4.0  # power: a note 6 dB below the song is lost
BRIEFLY = 10**-1.4  # of the energy, in any 4 s: codecs add 10**-2.2 at most, a voice at -6 dB 10**-1.05
UNLIKE = 0.5  # of the energy of any 4 s that the song does not explain: something else plays there
FOREIGN = 0.8  # the same where it is quiet, and noise may be as loud as the song
QUIET = 0.05  # of the mean energy
HARDLY_THERE = 0.005  # of the mean energy: a stretch below it says nothing


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """Of each moment of a file, shape (moments,): its energy, and what of it the song does not explain."""

    energy: Numbers
    unexplained: Numbers
    louder: Numbers  # of bins that stand out above the song
    song: Numbers  # the song's own energy there
    beyond: Numbers  # shape (2,): energy of the whole file that stands out above the song in bursts, and in notes
    lost: float  # share of the song's energy that the file has not

    @classmethod
    def of(cls, heard: Spectrum, mixture: Spectrum) -> "Left":
        moments = len(heard) // MOMENT
        sums, totals = np.zeros((4, moments)), np.zeros(4)
        as_loud = _as_loud(mixture, heard)
        whole = heard[: len(as_loud)]
        for band in BANDS:
            sums += _left_in(*(one[: moments * MOMENT, band].reshape(moments, -1) for one in (heard, mixture)))
            totals += _beyond_in(whole[:, band], as_loud[:, band])
        *beyond, lost, expected = totals
        energy, unexplained, louder, song = sums
        return cls(energy, unexplained, louder, song, np.array(beyond), float(lost / max(expected, 1e-12)))

    @property
    def added(self) -> float:
        """Beside what may stand out: 1 and more is something added."""
        return float((self.beyond / (ADDED + FOR_LOST * self.lost)).max() / max(self.energy.sum(), 1e-12))

    @property
    def added_briefly(self) -> bool:
        """Somewhere, for 4 s, something stands out that is loud beside the whole: a voice, say, or a guest's verse."""
        loud = np.maximum(self.energy, self.energy.mean()) if len(self.energy) else self.energy
        return bool((_shares(self.louder, loud, BRIEF) > BRIEFLY).any())

    @property
    def whole(self) -> float:
        return float(self.unexplained.sum() / max(self.energy.sum(), 1e-12))

    @property
    def unlike(self) -> bool:
        """Somewhere, for 4 s, something else plays: an edit."""
        shares, levels = _shares(self.unexplained, self.energy, BRIEF), self._levels(BRIEF)
        loud, there = levels.max(axis=0) > QUIET, levels.min(axis=0) > HARDLY_THERE
        strange = (shares > UNLIKE) & loud | (shares > FOREIGN) & there
        return not loud.any() or bool(strange.any())

    def _levels(self, length: int) -> Numbers:
        """Of each stretch of the file, and of the song, beside the mean; shape (2, stretches)."""
        both = (_sliding(one, length) for one in (self.energy, self.song))
        return np.stack([one / max(float(one.mean()), 1e-12) if len(one) else one for one in both])


def _shares(part: Numbers, whole: Numbers, length: int) -> Numbers:
    return _sliding(part, length) / np.maximum(_sliding(whole, length), 1e-12)


def _sliding(values: Numbers, length: int) -> Numbers:
    """Sums of so many neighbours, wherever they begin; of all where there are not so many."""
    return np.convolve(values, np.ones(min(length, max(1, len(values)))), mode="valid") if len(values) else values


def _left_in(heard: Spectrum, mixture: Spectrum) -> Numbers:
    """Energy, what one gain for the moment leaves unexplained, what stands out, and the song's; shape (4, moments)."""
    ours, theirs = power_of(heard), power_of(mixture)
    energy, power = ours.sum(axis=1), np.maximum(theirs.sum(axis=1), 1e-12)
    common = np.abs((mixture.conj() * heard).sum(axis=1))
    gain = common / power
    louder = np.maximum(0, ours - LOUDER * (gain**2)[:, None] * theirs).sum(axis=1)
    return np.stack([energy, energy - common * gain, louder, power]).astype(np.float64)


def _beyond_in(heard: Spectrum, mixture: Spectrum) -> Numbers:
    """A band's energy beyond what the song has there, in bursts and in notes; what is lost; and what is the song's."""
    ours, theirs = (_split(one, min(CELL, len(heard))) for one in (heard, mixture))
    expected = theirs * _gains(ours, theirs)
    return np.array([_in_bursts(ours, expected), *_in_notes(ours, expected)])


def _as_loud(mixture: Spectrum, heard: Spectrum) -> Spectrum:
    """The song at one gain for each moment of a note's length: faded, levelled or compressed as the file is."""
    ours, theirs = (_split(one, min(NOTE, len(heard))) for one in (heard, mixture))
    return (theirs * _gains(ours, theirs)).reshape(-1, mixture.shape[1])


def _split(spectrum: Spectrum, length: int) -> Spectrum:
    """Into parts of so many frames, shape (parts, frames, bins)."""
    return spectrum[: len(spectrum) // length * length].reshape(-1, length, spectrum.shape[1])


def _gains(ours: Spectrum, theirs: Spectrum) -> NDArray[np.float32]:
    """Of each part, with which theirs explains ours best."""
    common, power = np.abs((theirs.conj() * ours).sum(axis=(1, 2))), power_of(theirs).sum(axis=(1, 2))
    gains: NDArray[np.float32] = (common / np.maximum(power, 1e-12))[:, None, None].astype(np.float32)
    return gains


def _in_bursts(ours: Spectrum, expected: Spectrum) -> float:
    """Above the noise that is always there: twice the quietest tenth of what the song does not explain."""
    heard, song, rest = (_sums(one, BURST).sum(axis=2) for one in _powers(ours, expected))
    noise = np.quantile(rest, 0.1, axis=1, keepdims=True)
    return float(np.maximum(0, heard - BURST_LOUDER * song - 2 * noise).sum())


def _in_notes(ours: Spectrum, expected: Spectrum) -> tuple[float, float, float]:
    """Above the noise beside them: twice the median of the band's bins. And what is lost, of the song."""
    heard, song, rest = (_sums(one, NOTE) for one in _powers(ours, expected))
    above = np.maximum(0, heard - NOTE_LOUDER * song - 2 * np.median(rest, axis=2, keepdims=True))
    steady = np.abs(_turning(ours - expected)) > STEADY * rest
    return float(above[steady].sum()), float(np.maximum(0, song - LOST * heard).sum()), float(song.sum())


def _turning(rest: Spectrum) -> Spectrum:
    """Of each note, how much of it turns by one angle from frame to frame."""
    notes = rest.reshape(len(rest), -1, NOTE, rest.shape[2])
    turning: Spectrum = (notes[:, :, 1:] * notes[:, :, :-1].conj()).sum(axis=2)
    return turning


def _sums(powers: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Of so many frames each, shape (parts, sums, bins)."""
    sums: NDArray[np.float32] = powers.reshape(len(powers), -1, frames, powers.shape[2]).sum(axis=2)
    return sums


def _powers(ours: Spectrum, expected: Spectrum) -> NDArray[np.float32]:
    """Of the file, of the song, and of what is between them; shape (3, parts, frames, bins)."""
    return power_of(np.stack([ours, expected, ours - expected]))
