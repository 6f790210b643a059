"""How two fingerprints relate: one recording, another edit of it, another version, or nothing.

The rule of shared/fingerprints.md, section 0: more lenient where the sound decides afterwards
(`demixer.recognition.mixes`),
stricter about what lies outside the overlap. Measured: docs/recognition.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.fingerprint import ITEM_SECONDS, SHIFT_SECONDS, SILENCE, Fingerprint, Items
from demixer.recognition.offsets import keys_of

PEAKS = 5  # offsets that are looked at, and those beside them
WINDOW = 64  # items, 7.9 s
MIN_ITEMS = 200  # 27 s
MIN_VARIETY = 80  # different top 16 bits: tones, noise and silence have fewer

SURE_ERROR_RATE = 0.12  # one recording by the fingerprint alone
MAX_ERROR_RATE = 0.20  # one recording, if the sound says so too; unrelated songs have 0.26 at least
VERSION_ERROR_RATE = 0.22
MIN_VOTES = 0.02  # of that variety
WINDOW_ERROR_RATE = 0.25
MIN_COVERAGE = 0.80  # of the windows; the sound looks at each
SURE_COVERAGE = 0.95
EDIT_WINDOW_ERROR_RATE = 0.20
EDIT_COVERAGE = 0.45  # of the windows of the shorter, at any of the offsets
USUAL_CHANCE = 0.40  # error rate of two songs laid on each other anywhere; two white noises have 0.18
MAX_MISSING = 12.0  # seconds at the ends that the song has and the file has not
MAX_EXTRA = 3.0  # seconds at the ends that the file has and the song has not: its stems would lack them


class Kind(StrEnum):
    SAME = "same"  # one recording, from end to end; where it is not `sure`, the sound has to say so, too
    EDIT = "edit"  # parts of one recording, in another order or length
    VERSION = "version"  # much alike: a remaster, a live take, a remix
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """At the best alignment. `offset`: seconds into the file at which the song begins; below 0 its beginning is cut."""

    kind: Kind = Kind.DIFFERENT
    bit_error_rate: float = 1.0  # 0 to 1, over the overlap
    overlap: float = 0.0  # 0 to 1, of the shorter
    coverage: float = 0.0  # 0 to 1: share of the overlap in windows that agree
    offset: float = 0.0

    @property
    def same(self) -> bool:
        return self.kind is Kind.SAME

    @property
    def sure(self) -> bool:
        """So alike that only the mix may differ."""
        alike = self.bit_error_rate <= SURE_ERROR_RATE and self.coverage >= SURE_COVERAGE
        return self.same and alike


NOTHING_IN_COMMON = Likeness()


def compare(song: Fingerprint, phases: Sequence[Fingerprint]) -> Likeness:
    """`phases`: a file printed once, or a second time without its first `SHIFT_SECONDS`. About 0.3 ms a phase."""
    found = [_in_phase(song, phase, number * SHIFT_SECONDS) for number, phase in enumerate(phases)]
    return max(found, key=lambda one: (-_RANK[one.kind], one.overlap * (0.5 - one.bit_error_rate)))


def tells(song: Fingerprint) -> bool:
    """Whether it is long and varied enough for a copy of the song to be recognised by it."""
    return compare(song, [song]).same


_RANK = {kind: rank for rank, kind in enumerate(Kind)}


def _in_phase(song: Fingerprint, file: Fingerprint, shift: float) -> Likeness:
    votes = keys_of(file).votes(song.items)
    peaks = [_aligned(song.items, file.items, offset) for offset in votes.likeliest(PEAKS)]
    if not peaks:
        return NOTHING_IN_COMMON
    best = _likest([one for peak in [_likest(peaks)] for one in (peak, *_beside(peak))])
    found = Likeness(
        bit_error_rate=best.error_rate,
        overlap=len(best.errors) / max(1, min(len(song.items), len(file.items))),
        offset=shift - best.offset * ITEM_SECONDS,
    )
    variety = best.variety
    if variety < MIN_VARIETY or votes.near(best.offset) < MIN_VOTES * variety:
        return found
    strictness = min(1.0, _by_chance(song.items, file.items) / USUAL_CHANCE)
    found = replace(found, coverage=best.coverage(strictness))
    return replace(found, kind=_kind(found, best, peaks, strictness))


def _kind(found: Likeness, best: "_Alignment", peaks: "Sequence[_Alignment]", strictness: float) -> Kind:
    """`strictness`: 0 to 1, the share of the usual error rates that is allowed."""
    long_enough = len(best.errors) >= MIN_ITEMS
    if long_enough and found.bit_error_rate <= MAX_ERROR_RATE * strictness and found.coverage >= MIN_COVERAGE:
        whole = best.missing <= MAX_MISSING and best.extra <= MAX_EXTRA
        return Kind.SAME if whole else Kind.EDIT
    candidates = [one for peak in peaks for one in (peak, *_beside(peak))]
    if _explained(candidates, EDIT_WINDOW_ERROR_RATE * strictness) >= EDIT_COVERAGE:
        return Kind.EDIT
    alike = found.overlap >= 0.5 and found.bit_error_rate <= VERSION_ERROR_RATE * strictness
    return Kind.VERSION if alike and long_enough else Kind.DIFFERENT


@dataclass(frozen=True, slots=True, eq=False)
class _Alignment:
    """`song[offset + n]` beside `file[n]`."""

    song: Items
    file: Items
    offset: int
    errors: NDArray[np.uint8]  # differing bits of each item in the overlap

    @property
    def start(self) -> int:
        """Of the overlap, in the file."""
        return max(0, -self.offset)

    @property
    def error_rate(self) -> float:
        return int(self.errors.sum()) / 32 / len(self.errors) if len(self.errors) else 1.0

    def coverage(self, strictness: float) -> float:
        """Share of windows that agree: a verse cut out or replaced shows here, not in the mean."""
        rates = _window_rates(self.errors)
        return float((rates < WINDOW_ERROR_RATE * strictness).mean()) if len(rates) else 0.0

    @property
    def variety(self) -> int:
        return len(np.unique(self.file[self.start : self.start + len(self.errors)] >> np.uint32(16)))

    @property
    def missing(self) -> float:
        """Seconds of the song outside the overlap that are no silence."""
        begin = max(0, self.offset)
        return _sounding(self.song[:begin]) + _sounding(self.song[begin + len(self.errors) :])

    @property
    def extra(self) -> float:
        """The same of the file."""
        return _sounding(self.file[: self.start]) + _sounding(self.file[self.start + len(self.errors) :])


def _explained(candidates: Sequence[_Alignment], error_rate: float) -> float:
    """Share of the shorter one's windows that agree with some part of the other."""
    song, file = candidates[0].song, candidates[0].file
    rates = np.ones((len(candidates), max(1, len(file) // WINDOW)))
    for row, one in zip(rates, candidates, strict=True):
        first = -(-one.start // WINDOW)
        agreeing = _window_rates(one.errors[first * WINDOW - one.start :])
        row[first : first + len(agreeing)] = agreeing
    agree = float((rates.min(axis=0) < error_rate).sum())
    return agree * WINDOW / max(MIN_ITEMS, min(len(song), len(file)))


def _window_rates(errors: NDArray[np.uint8]) -> NDArray[np.float64]:
    whole = max(0, len(errors)) // WINDOW * WINDOW
    rates: NDArray[np.float64] = errors[:whole].reshape(-1, WINDOW).mean(axis=1) / 32
    return rates


def _sounding(items: Items) -> float:
    return float((items != SILENCE).sum()) * ITEM_SECONDS


def _by_chance(song: Items, file: Items) -> float:
    """The bit error rate to expect of items that have nothing to do with each other: noises are much alike anywhere."""
    ours, theirs = _set_bits(song), _set_bits(file)
    return float((ours * (1 - theirs) + theirs * (1 - ours)).mean())


def _set_bits(items: Items) -> NDArray[np.float64]:
    """Of each of the 32 bits, the share of items that have it set."""
    shares: NDArray[np.float64] = np.unpackbits(items.view(np.uint8)).reshape(-1, 32).mean(axis=0)
    return shares


def _aligned(song: Items, file: Items, offset: int) -> _Alignment:
    left, right = max(0, offset), max(0, -offset)
    length = max(0, min(len(song) - left, len(file) - right))
    errors = np.bitwise_count(song[left : left + length] ^ file[right : right + length])
    return _Alignment(song, file, offset, errors)


def _beside(one: _Alignment) -> list[_Alignment]:
    return [_aligned(one.song, one.file, one.offset + step) for step in (-1, 1)]


def _likest(alignments: Sequence[_Alignment]) -> _Alignment:
    return max(alignments, key=lambda one: len(one.errors) * (0.5 - one.error_rate))
