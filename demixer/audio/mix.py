"""Whether a file is the same mix as a song that its fingerprint says it is a recording of.

Chromaprint hears harmony: a karaoke version, or one without drums, has the fingerprint of the song. So the sound itself
is compared. The file is explained as the stems of the song, each by one factor over the whole song, times one gain for
each moment and band, which is all that a codec, a volume, an equaliser or a limiter does. The same mix has the factor 1
for every stem; without vocals theirs is 0. And nothing may stand out: something added sounds where the song is quiet,
and makes a band there louder than the song ever has it. What a codec adds hides below what the song has in that band.

How well this tells mixes apart was measured: docs/recognition.md.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from demixer.audio import alignment
from demixer.audio.alignment import Alignment, Sound, Spectrum
from demixer.audio.reference import RATE, Reference

Numbers = NDArray[np.float64]

LONGEST = 10 * 60 * RATE  # samples that are looked at: a bound on memory (0.5 GB) and time
FRAME, HOP = 1024, 512  # samples: 93 and 46 ms
EDGES = (60, 150, 250, 400, 600, 850, 1150, 1550, 2100, 2900, 3900, 5000)  # Hz: each band has a gain of its own
CELL = 80  # frames, 3.7 s, in which a band's gain stands still
MOMENT = 8  # frames, 0.37 s, for what nothing explains
STRETCH = 21  # moments, 8 s
ROUNDS = 12  # of the alternating least squares; they settle within six
BURST = 2  # frames, 0.14 s, of a whole band: an encoder keeps its energy, whatever becomes of the bins
BURST_LOUDER = 4.0  # power: 6 dB more than the song has there
NOTE = 16  # frames, 0.7 s, of one bin: what an encoder adds is noise, and seldom stays in one place for so long
NOTE_LOUDER = 8.0  # power: 9 dB more than the song has there, and more than twice the noise around it

EVEN = 1.25  # between the factors of two stems, 1.9 dB: codecs stay within 1.1
GONE = 0.2  # a factor under which nobody hears the stem any more, -14 dB
AUDIBLE = 0.005  # share of the song's energy that a stem needs, for its factor to mean something
SURE = 0.03  # standard error of a factor, beside that of the stem in the song's own mixture
TOLD = 0.5  # of the energy has to be in stems that can be compared, for a mix to be the same
# Of the energy, what may stand out in bursts and in notes. What keeps a mix stays below that, most far below (but for
# stereo AAC at 32 kbit/s); what is added at -12 dB is above one of them, 98 times in 100.
ADDED = (10**-3.05, 10**-3.05)
UNLIKE = 0.5  # of a stretch's energy that the song does not explain: something else plays there
ALONE = 10**-2.6  # of the whole energy, without stems: a quiet voice that is gone hides above that
QUIET = 0.05  # of the mean energy: a stretch below it says nothing
LEVELS = 24  # of the song, to each of which a limiter may have given a gain of its own

_FREQUENCIES = np.fft.rfftfreq(FRAME, 1 / RATE)
_BANDS = tuple(slice(*np.searchsorted(_FREQUENCIES, edges)) for edges in pairwise(EDGES))
_WINDOW = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What became of a song's mix in a file. `without`: stems that are gone. `changed`: louder or quieter, in dB."""

    same: bool
    sure: bool = True  # False where no stems could tell: then only a copy without loss is the same
    alignment: Alignment | None = None
    without: tuple[str, ...] = ()
    changed: dict[str, float] = field(default_factory=dict)
    added: float = 0.0  # what stands out above the song, beside what may: 1 and more was added


STRANGE = Mix(same=False)  # not the same recording after all


def compare(heard: Sound, reference: Reference, near: int) -> Mix:
    """`heard`: a file, mono at `RATE`. `near`: the lag of the song within it by the fingerprints, in samples.

    Takes about a quarter of a second for four minutes and four stems.
    """
    found = alignment.locate(heard[:LONGEST], reference.mixture[:LONGEST], near)
    if found is None:
        return STRANGE
    ours, theirs = alignment.overlapping(heard[:LONGEST], reference.sounds[:, :LONGEST], found.lag)
    mixture = _spectrum(_shaped(theirs[0], ours))
    spectrum = _shifted(_spectrum(ours), mixture)
    left = _Left.of(spectrum, mixture)
    if left.unlike:
        return Mix(same=False, added=left.added)
    if not reference.names:
        alike = left.added < 1 and left.whole < ALONE
        return Mix(same=alike, sure=alike, alignment=found, added=left.added)
    stems = [_spectrum(stem) for stem in theirs[1:]]
    cells, own = _Cells.of(spectrum, stems), _Cells.of(_spectrum(theirs[0]), stems)
    return _judged(reference.names, cells, own, found, left.added)


def _shaped(mixture: Sound, heard: Sound) -> Sound:
    """As a clipper or a limiter without memory made it, if one did: each level as loud as it is heard on average."""
    size = np.abs(mixture)
    edges = np.unique(np.quantile(size[::7], np.linspace(0, 1, LEVELS + 1)))
    level = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, max(0, len(edges) - 2))
    count = np.bincount(level)
    filled = count > 0
    before, after = (np.bincount(level, one)[filled] / count[filled] for one in (size, heard * np.sign(mixture)))
    shaped = np.interp(size, *_with_ends(before, after, float(size.max())))
    shaped_sound: Sound = (np.sign(mixture) * shaped).astype(np.float32)
    return shaped_sound


def _with_ends(before: Numbers, after: Numbers, top: float) -> tuple[Numbers, Numbers]:
    """From nothing, which stays nothing, to the loudest, by the slope of the last two levels."""
    before, after = np.concatenate([[0.0], before]), np.concatenate([[0.0], after])
    slope = (after[-1] - after[-2]) / max(before[-1] - before[-2], 1e-9)
    return np.append(before, top), np.append(after, after[-1] + slope * (top - before[-1]))


def _shifted(heard: Spectrum, mixture: Spectrum) -> Spectrum:
    """Earlier by the fraction of a sample that it comes late."""
    late = alignment.fraction(heard, mixture, _FREQUENCIES)
    shifted: Spectrum = (heard * np.exp(2j * np.pi * _FREQUENCIES * late / RATE)).astype(np.complex64)
    return shifted


def _judged(names: tuple[str, ...], cells: "_Cells", own: "_Cells", found: Alignment, added: float) -> Mix:
    """`own`: the song's mixture as its stems explain it. Where a model was poor, its factors are not all 1."""
    (factors, errors), (before, _) = cells.factors(), own.factors()
    telling = (own.shares() > AUDIBLE) & (errors < SURE * np.abs(before))
    factors = factors / np.where(telling, before, 1.0)
    usual = _usual(factors[telling], own.shares()[telling]) if telling.any() else 1.0
    known = [(name, factor / usual) for name, factor, tells in zip(names, factors, telling, strict=True) if tells]
    without = tuple(name for name, factor in known if factor < GONE)
    changed = {name: _decibels(factor) for name, factor in known if factor >= GONE and _uneven(factor)}
    same = not (without or changed) and added < 1
    sure = not same or float(own.shares()[telling].sum()) >= TOLD
    return Mix(same=same and sure, sure=sure, alignment=found, without=without, changed=changed, added=added)


def _usual(factors: Numbers, shares: Numbers) -> float:
    """The factor of most of the energy, among stems that are there."""
    there = factors > GONE * factors.max()
    order = np.argsort(factors[there])
    so_far = np.cumsum(shares[there][order])
    return float(factors[there][order][np.searchsorted(so_far, so_far[-1] / 2)])


def _uneven(factor: float) -> bool:
    return not 1 / EVEN < factor < EVEN


def _decibels(factor: float) -> float:
    return round(20 * float(np.log10(factor)), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """Of each stretch of a file: its energy, and what of it the song does not explain."""

    energy: Numbers
    unexplained: Numbers
    song: Numbers  # the song's own energy there
    louder: Numbers  # energy that stands out above the song in the whole file: bursts, notes

    @classmethod
    def of(cls, heard: Spectrum, mixture: Spectrum) -> "_Left":
        moments = len(heard) // MOMENT
        sums, louder = np.zeros((3, moments)), np.zeros(2)
        for band in _BANDS:
            sums += _left_in(*(one[: moments * MOMENT, band].reshape(moments, -1) for one in (heard, mixture)))
            louder += _louder_in(heard[:, band], mixture[:, band])
        length = min(STRETCH, max(1, moments))
        whole = moments // length * length
        energy, unexplained, song = sums[:, :whole].reshape(3, -1, length).sum(axis=2)
        return cls(energy, unexplained, song, louder)

    @property
    def added(self) -> float:
        """Beside what may stand out: 1 and more is something added."""
        return float((self.louder / ADDED).max() / max(self.energy.sum(), 1e-12))

    @property
    def whole(self) -> float:
        return float(self.unexplained.sum() / max(self.energy.sum(), 1e-12))

    @property
    def unlike(self) -> bool:
        """Somewhere, for 8 s, something else plays: an edit."""
        shares = (self.unexplained / np.maximum(self.energy, 1e-12))[self._sounding]
        return not len(shares) or bool((shares > UNLIKE).any())

    @property
    def _sounding(self) -> NDArray[np.bool_]:
        return np.maximum(_of_mean(self.energy), _of_mean(self.song)) > QUIET


def _of_mean(energy: Numbers) -> Numbers:
    shares: Numbers = energy / max(float(energy.mean()), 1e-12)
    return shares


def _left_in(heard: Spectrum, mixture: Spectrum) -> Numbers:
    """Energy, what one gain for the moment leaves unexplained, and the song's energy; shape (3, moments)."""
    energy, power = _power(heard).sum(axis=1), np.maximum(_power(mixture).sum(axis=1), 1e-12)
    common = np.abs((mixture.conj() * heard).sum(axis=1))
    return np.stack([energy, energy - common**2 / power, power]).astype(np.float64)


def _louder_in(heard: Spectrum, mixture: Spectrum) -> Numbers:
    """A band's energy beyond what the song has there, at one gain a cell: in bursts, and in notes."""
    cells, length = max(1, len(heard) // CELL), min(CELL, len(heard)) // NOTE * NOTE
    ours, theirs = (one[: cells * length].reshape(cells, length, -1) for one in (heard, mixture))
    common, power = np.abs((theirs.conj() * ours).sum(axis=(1, 2))), _power(theirs).sum(axis=(1, 2))
    expected = theirs * (common / np.maximum(power, 1e-12))[:, None, None]
    return np.array([_in_bursts(ours, expected), _in_notes(ours, expected)])


def _in_bursts(ours: Spectrum, expected: Spectrum) -> float:
    """Above the noise that is always there: twice the quietest tenth of what the song does not explain."""
    shape = (3, len(ours), -1, BURST * ours.shape[2])
    heard, song, rest = _power(np.stack([ours, expected, ours - expected])).reshape(shape).sum(axis=3)
    noise = np.quantile(rest, 0.1, axis=1, keepdims=True)
    return float(np.maximum(0, heard - BURST_LOUDER * song - 2 * noise).sum())


def _in_notes(ours: Spectrum, expected: Spectrum) -> float:
    """Above the noise beside them: twice the median of the band's bins."""
    shape = (3, len(ours), -1, NOTE, ours.shape[2])
    heard, song, rest = _power(np.stack([ours, expected, ours - expected])).reshape(shape).sum(axis=3)
    noise = np.median(rest, axis=2, keepdims=True)
    return float(np.maximum(0, heard - NOTE_LOUDER * song - 2 * noise).sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """For each moment and band: the inner products of the stems with each other and with the file, and its energy."""

    stems: Numbers  # shape (cells, stems, stems)
    common: Numbers  # shape (cells, stems)
    energy: Numbers  # shape (cells,)
    size: int  # numbers in a cell, on average

    @classmethod
    def of(cls, heard: Spectrum, stems: list[Spectrum]) -> "_Cells":
        whole = max(1, len(heard) // CELL)
        length = min(CELL, len(heard))
        parts = [_products(heard, stems, whole, length, band) for band in _BANDS]
        products, common, energy = (np.concatenate(one) for one in zip(*parts, strict=True))
        sounding = (energy > 1e-6 * energy.max()) & (np.trace(products, axis1=1, axis2=2) > 0)
        size = 2 * length * (_BANDS[-1].stop - _BANDS[0].start) // len(_BANDS)
        return cls(products[sounding], common[sounding], energy[sounding], size)

    def factors(self) -> tuple[Numbers, Numbers]:
        """One factor a stem, and its standard error: alternating least squares with one gain a cell.

        A cell counts by how well it is explained, but none for more than one that is explained to 20 dB.
        """
        factors = np.ones(self.common.shape[1])
        for _ in range(ROUNDS):
            gains, weights = self._gains(factors)
            normal = np.einsum("c,cij->ij", weights * gains**2, self.stems)
            normal += 1e-9 * np.trace(normal) * np.eye(len(normal))
            factors = np.linalg.solve(normal, (weights * gains) @ self.common)
            scale = np.sqrt(np.mean(factors**2)) + 1e-12
            factors = factors / scale
        return factors, np.sqrt(np.diag(np.linalg.inv(normal))) / scale

    def shares(self) -> Numbers:
        """Of each stem, in the energy of all cells."""
        energies = np.einsum("cii->i", self.stems)
        shares: Numbers = energies / max(energies.sum(), 1e-12)
        return shares

    def _gains(self, factors: Numbers) -> tuple[Numbers, Numbers]:
        explained = self.common @ factors
        power = np.maximum(np.einsum("i,cij,j->c", factors, self.stems, factors), 1e-12)
        gains = np.maximum(explained / power, 0)
        rest = np.maximum(self.energy - 2 * gains * explained + gains**2 * power, 0)
        return gains, (gains > 0) / ((rest + 0.01 * self.energy) / self.size)


def _products(
    heard: Spectrum, stems: list[Spectrum], cells: int, length: int, band: slice
) -> tuple[Numbers, Numbers, Numbers]:
    def numbers(spectrum: Spectrum) -> NDArray[np.float32]:
        part = np.ascontiguousarray(spectrum[: cells * length, band]).reshape(cells, -1)
        return part.view(np.float32)

    all_ = np.stack([numbers(stem) for stem in stems], axis=1)
    file = numbers(heard)[:, :, None]
    common = (all_ @ file)[..., 0]
    return (
        (all_ @ all_.transpose(0, 2, 1)).astype(np.float64),
        common.astype(np.float64),
        (file[..., 0] ** 2).sum(axis=1).astype(np.float64),
    )


def _spectrum(sound: Sound) -> Spectrum:
    """Shape (frames, bins); a sound shorter than a frame is filled up with silence."""
    if len(sound) < FRAME:
        sound = np.pad(sound, (0, FRAME - len(sound)))
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    return np.fft.rfft(frames * _WINDOW, axis=1).astype(np.complex64, copy=False)


def _power(spectrum: Spectrum) -> NDArray[np.float32]:
    power: NDArray[np.float32] = spectrum.real**2 + spectrum.imag**2
    return power
