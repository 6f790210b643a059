"""What of a file a song does not explain, moment by moment: another verse, a voice over it, the end of another song."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.alignment import Spectrum
from demixer.recognition.spectra import BANDS, Numbers, power_of

MOMENT = 8  # frames, 0.37 s
BRIEF = 11  # moments, 4 s
LOUDER = 16.0  # power: a bin 12 dB above what the song has there did not come from it
BRIEFLY = 10**-1.4  # of the energy, in any 4 s: codecs add 10**-2.2 at most, a voice at -6 dB 10**-1.05
# Of the song's energy, what a file may lack over all of it, and how many times more for what it has above the song: an
# encoder that takes much adds much, but whoever has a song as it was before something was added to it adds nothing.
LACKED, FOR_LOUDER = 10**-2.5, 8.0
UNLIKE = 0.5  # of the energy of any 4 s that the song does not explain: something else plays there
FOREIGN = 0.8  # the same where it is quiet, and noise may be as loud as the song
MUTE = 10**-3  # of what the song has in a moment: no codec keeps so little, 10**-1.3 is the least that was seen
QUIET = 0.05  # of the mean energy
HARDLY_THERE = 0.005  # of the mean energy: a stretch below it says nothing


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """Of each moment of a file, shape (moments,): its energy, and what of it the song does not explain."""

    energy: Numbers
    unexplained: Numbers
    louder: Numbers  # of bins that stand out above the song
    song: Numbers  # the song's own energy there

    @classmethod
    def of(cls, heard: Spectrum, mixture: Spectrum, bands: Sequence[slice] = BANDS) -> "Left":
        moments = len(heard) // MOMENT
        sums = np.zeros((4, moments))
        for band in bands:
            sums += _left_in(*(one[: moments * MOMENT, band].reshape(moments, -1) for one in (heard, mixture)))
        return cls(*sums)

    def during(self, moments: NDArray[np.bool_]) -> "Left":
        return Left(self.energy[moments], self.unexplained[moments], self.louder[moments], self.song[moments])

    @property
    def above(self) -> float:
        """Share of the energy in what stands out."""
        return float(self.louder.sum() / max(self.energy.sum(), 1e-12))

    @property
    def above_briefly(self) -> float:
        """The same in the 4 s that have most of it, of what is loud beside the whole: a voice, or a guest's verse."""
        loud = np.maximum(self.energy, self.energy.mean()) if len(self.energy) else self.energy
        return float(_shares(self.louder, loud, BRIEF).max(initial=0.0))

    @property
    def whole(self) -> float:
        return float(self.unexplained.sum() / max(self.energy.sum(), 1e-12))

    @property
    def unlike(self) -> bool:
        """Somewhere, for 4 s, something else plays, or for a moment nothing: an edit."""
        shares, levels = _shares(self.unexplained, self.energy, BRIEF), self._levels(BRIEF)
        loud, there = levels.max(axis=0) > QUIET, levels.min(axis=0) > HARDLY_THERE
        strange = (shares > UNLIKE) & loud | (shares > FOREIGN) & there
        return not loud.any() or bool(strange.any()) or self._muted

    @property
    def _muted(self) -> bool:
        """Between its first and its last loud moment; fades do that only before and after."""
        energy, song = self._levels(1)
        muted, loud = (song > QUIET) & (energy < MUTE * song), energy > QUIET
        begun, goes_on = np.logical_or.accumulate(loud), np.logical_or.accumulate(loud[::-1])[::-1]
        return bool((muted & begun & goes_on).any())

    def _levels(self, length: int) -> Numbers:
        """Of each stretch of the file, and of the song, beside the mean; shape (2, stretches)."""
        both = (_sliding(one, length) for one in (self.energy, self.song))
        return np.stack([one / max(float(one.mean()), 1e-12) if len(one) else one for one in both])


def added(file: Left, song: Left) -> bool:
    """Whether something was added to the file for a while, or to the song; `song` is what the file leaves of that."""
    there = song.during(file.energy > HARDLY_THERE * file.energy.mean()) if len(file.energy) else song
    allowed = FOR_LOUDER * file.above
    briefly = file.above_briefly > BRIEFLY or there.above_briefly > BRIEFLY + allowed
    return briefly or there.above > LACKED + allowed


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
