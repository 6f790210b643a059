"""Whether a file is the same mix as a song that its fingerprint says it is a recording of.

Chromaprint hears harmony: a karaoke version, or one without drums, has the fingerprint of the song. So the sound itself
is compared. The file is explained as the stems of the song, each by one factor over the whole song, times one gain for
each moment and band, which is all that a codec, a volume, an equaliser or a limiter does. The same mix has the factor 1
for every stem; without vocals theirs is 0. What the song's mixture does not explain at all must be little: something
added is louder than what codecs down to 32 kbit/s add.

How well this tells mixes apart was measured: docs/recognition.md.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import additions, alignment, residual
from demixer.recognition.alignment import Alignment, Sound, Spectrum
from demixer.recognition.factors import Cells
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.residual import Left
from demixer.recognition.spectra import FREQUENCIES, Numbers, below_cutoff, spectrum

LONGEST = 10 * 60 * RATE  # samples that are looked at together: a bound on memory (0.5 GB)

EVEN = 1.3  # between the factors of two stems, 2.3 dB: codecs stay within 1.1, but two; a melody 3.5 dB louder has 1.4
GONE = 0.2  # a factor under which nobody hears the stem any more, -14 dB
AUDIBLE = 0.005  # share of the song's energy that a stem needs, for its factor to mean something
SURE = 0.03  # standard error of a factor, beside that of the stem in the song's own mixture
TOLD = 0.5  # of the energy has to be in stems that can be compared, for a mix to be the same
ALONE = 10**-2.6  # of the whole energy, without stems: a quiet voice that is gone hides above that
LEVELS = 24  # of the song, to each of which a limiter may have given a gain of its own
SOME = 7  # every so many samples are enough to tell those gains by
STEPS = 1 << 15  # from silence to full scale: a reference has 16 bits

WHILE = 4  # cells, 15 s: a stem that is gone for so long is a verse that nobody sings
PRESENT = 0.05  # share of the song's energy that the stem needs there
QUIET = 0.05  # of the mean energy: a while below it says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What became of a song's mix in a file. `without`: stems that are gone. `changed`: louder or quieter, in dB."""

    same: bool
    sure: bool = True  # False where no stems could tell: then only a copy without loss is the same
    alignment: Alignment | None = None
    without: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()  # stems that are gone for a while
    changed: dict[str, float] = field(default_factory=dict)
    added: float = 0.0  # what stands out above the song, or of it above the file, beside what may: 1 and more was added


STRANGE = Mix(same=False)  # not the same recording after all


def compare(heard: Sound, reference: Reference, near: int) -> Mix:
    """`heard`: a file, mono at `RATE`. `near`: the lag of the song within it by the fingerprints, in samples.

    Takes about a third of a second for four minutes and four stems.
    """
    found = alignment.locate(heard, reference.mixture, near)
    if found is None:  # perhaps upside down, which nobody hears
        heard = -heard
        found = alignment.locate(heard, reference.mixture, near)
    if found is None:
        return STRANGE
    ours, theirs = alignment.overlapping(heard, reference.sounds, found.lag)
    pieces = -(-len(ours) // LONGEST)
    both = zip(np.array_split(ours, pieces), np.array_split(theirs, pieces, axis=1), strict=True)
    mixes = [_compared(ours, theirs, reference.names, found) for ours, theirs in both]
    return next((mix for mix in mixes if not mix.same), mixes[0])


def _compared(ours: Sound, theirs: NDArray[np.float32], names: tuple[str, ...], found: Alignment) -> Mix:
    """`theirs`: as `Reference.sounds`, of the same length as `ours`."""
    with ThreadPoolExecutor(1) as beside:  # it and we have about as much to do
        known = beside.submit(lambda: [spectrum(sound) for sound in theirs] if names else [])
        mixture = spectrum(_shaped(theirs[0], ours))
        heard = _shifted(spectrum(ours), mixture)
        adding = beside.submit(additions.between, heard, mixture)
        left, lacking = Left.of(heard, mixture), Left.of(mixture, heard, below_cutoff(heard, mixture))
        judged = _judged(names, heard, *known.result()) if names and not left.unlike else None
    added = adding.result()
    if left.unlike:
        return Mix(same=False, added=added)
    if judged is None:
        alike = added < 1 and left.whole < ALONE
        return Mix(same=alike, sure=alike, alignment=found, added=added)
    if added >= 1 or residual.added(left, lacking):
        judged = replace(judged, same=False, sure=True)
    return replace(judged, alignment=found, added=added)


def _shaped(mixture: Sound, heard: Sound) -> Sound:
    """As a clipper or a limiter without memory made it, if one did: each level as loud as it is heard on average."""
    before, after = _gains_of(mixture[::SOME], heard[::SOME])
    top = float(np.abs(mixture).max())
    steps = np.arange(round(top * STEPS) + 1)
    upper = np.interp(steps / STEPS, *_with_ends(before, after, top)).astype(np.float32)
    curve = np.concatenate([-upper[:0:-1], upper])
    shaped: Sound = curve[np.rint(mixture * STEPS).astype(np.intp) + steps[-1]]
    return shaped


def _gains_of(mixture: Sound, heard: Sound) -> tuple[Numbers, Numbers]:
    """How loud each level of the mixture is, on average, and how loud it is heard."""
    size = np.abs(mixture)
    edges = np.unique(np.quantile(size, np.linspace(0, 1, LEVELS + 1)))
    level = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, max(0, len(edges) - 2))
    count = np.bincount(level)
    filled = count > 0
    before, after = (np.bincount(level, one)[filled] / count[filled] for one in (size, heard * np.sign(mixture)))
    return before, after


def _with_ends(before: Numbers, after: Numbers, top: float) -> tuple[Numbers, Numbers]:
    """From nothing, which stays nothing, to the loudest, by the slope of the last two levels."""
    before, after = np.concatenate([[0.0], before]), np.concatenate([[0.0], after])
    slope = (after[-1] - after[-2]) / max(before[-1] - before[-2], 1e-9)
    return np.append(before, top), np.append(after, after[-1] + slope * (top - before[-1]))


def _shifted(heard: Spectrum, mixture: Spectrum) -> Spectrum:
    """Earlier by the fraction of a sample that it comes late."""
    late = alignment.fraction(heard, mixture, FREQUENCIES)
    turn = np.exp(2j * np.pi * FREQUENCIES * late / RATE).astype(np.complex64)
    shifted: Spectrum = heard * turn
    return shifted


def _judged(names: tuple[str, ...], heard: Spectrum, mixture: Spectrum, *stems: Spectrum) -> Mix:
    """The file by the stems, and the song's own mixture by them."""
    cells, own = Cells.of([heard, mixture], [*stems])
    factors, telling = _factors(cells, own, AUDIBLE)
    known = [(name, factor) for name, factor, tells in zip(names, factors, telling, strict=True) if tells]
    without = tuple(name for name, factor in known if factor < GONE)
    changed = {name: _decibels(factor) for name, factor in known if factor >= GONE and _uneven(factor)}
    paused = () if without or changed else _paused(names, cells, own)
    same = not (without or changed or paused)
    sure = not same or float(own.shares()[telling].sum()) >= TOLD
    return Mix(same=same and sure, sure=sure, without=without, paused=paused, changed=changed)


def _factors(cells: Cells, own: Cells, audible: float) -> tuple[Numbers, NDArray[np.bool_]]:
    """Of each stem, beside that of most of the energy; and whether it tells anything. Shapes (stems,), or of each while
    (whiles, stems).

    Where a model was poor, the factors of the song's own mixture are not all 1.
    """
    (factors, errors), (before, _), shares = cells.factors(), own.factors(), own.shares()
    telling = (shares > audible) & (errors < SURE * np.abs(before))
    factors = factors / np.where(telling, before, 1.0)
    return factors / _usual(factors, np.where(telling, shares, 0.0)), telling


def _paused(names: tuple[str, ...], cells: Cells, own: Cells) -> tuple[str, ...]:
    """Stems that sound in the song for a while in which they are gone from the file."""
    count = int(own.at.max(initial=0)) + 2 - WHILE
    if count < 1:
        return ()
    song, file = own.whiles(count, WHILE), cells.whiles(count, WHILE)
    factors, telling = _factors(file, song, PRESENT)
    audible = (song.mean_energy > QUIET * own.mean_energy) & (file.mean_energy > 0)
    paused = np.any(telling & (factors < GONE) & audible[:, None], axis=0)
    return tuple(name for name, gone in zip(names, paused, strict=True) if gone)


def _usual(factors: Numbers, shares: Numbers) -> Numbers:
    """The factor of most of the energy, among stems that are there; shape (..., 1). A share of 0 tells nothing."""
    loudest = np.where(shares > 0, factors, 0.0).max(axis=-1, keepdims=True)
    there = (shares > 0) & (factors >= GONE * np.maximum(loudest, 0.0))
    order = np.argsort(factors, axis=-1)
    so_far = np.cumsum(np.take_along_axis(np.where(there, shares, 0.0), order, -1), axis=-1)
    middle = (so_far >= so_far[..., -1:] / 2).argmax(axis=-1, keepdims=True)
    usual = np.take_along_axis(np.take_along_axis(factors, order, -1), middle, -1)
    found: Numbers = np.where(there.any(axis=-1, keepdims=True), usual, 1.0)
    return found


def _uneven(factor: float) -> bool:
    return not 1 / EVEN < factor < EVEN


def _decibels(factor: float) -> float:
    return round(20 * float(np.log10(factor)), 1)
