"""How similar two fingerprints are: one recording, another edit of it, another version, or different songs.

A fingerprint describes harmony, so it never tells one mix of a recording from another: its verdict on one recording is
`MatchVerdict.UNSURE`, and `demixer.recognition.mix_comparison` decides. Measured: docs/recognition.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demixer.domain import MatchVerdict
from demixer.recognition import thresholds
from demixer.recognition.fingerprint import HALF_HOP_SECONDS, ITEM_SECONDS, SILENCE, Fingerprint, Items
from demixer.recognition.offset_histogram import key_table


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintSimilarity:
    """Of a file and a song, at the best offset. `verdict` is UNSURE, EDIT, VERSION or DIFFERENT.

    `bit_error_rate`: share of bits that differ in the overlap. `overlap`: its share of the shorter fingerprint.
    `coverage`: share of the overlap in windows that agree. `offset`: seconds into the file at which the song begins,
    negative where the beginning of the song is cut off.
    """

    verdict: MatchVerdict = MatchVerdict.DIFFERENT
    bit_error_rate: float = 1.0
    overlap: float = 0.0
    coverage: float = 0.0
    offset: float = 0.0

    @property
    def is_same_recording(self) -> bool:
        """From end to end; whether it is the same mix, the sound has to say."""
        return self.verdict is MatchVerdict.UNSURE

    @property
    def is_near_identical(self) -> bool:
        """The same recording beyond doubt: only the mix may differ."""
        few_errors = self.bit_error_rate <= thresholds.NEAR_IDENTICAL_BIT_ERROR_RATE
        return self.is_same_recording and few_errors and self.coverage >= thresholds.NEAR_IDENTICAL_COVERAGE


NOTHING_IN_COMMON = FingerprintSimilarity()
_RANK = {verdict: rank for rank, verdict in enumerate(MatchVerdict)}


def compare_fingerprints(song: Fingerprint, variants: Sequence[Fingerprint]) -> FingerprintSimilarity:
    """`variants`: the fingerprint of a file, alone or followed by its half-hop variant. The better one counts.

    Takes about 0.1 ms a variant.
    """
    found = [_compare(song, variant, number * HALF_HOP_SECONDS) for number, variant in enumerate(variants)]
    return max(found, key=lambda one: (-_RANK[one.verdict], one.overlap * (0.5 - one.bit_error_rate)))


def is_distinctive(song: Fingerprint) -> bool:
    """Whether it is long and varied enough for a copy of the song to be recognised by it."""
    return compare_fingerprints(song, [song]).is_same_recording


def _compare(song: Fingerprint, file: Fingerprint, start: float) -> FingerprintSimilarity:
    """`start`: seconds of the file that are left out before its fingerprint begins."""
    histogram = key_table(file).histogram(song.items)
    peaks = [_overlap_at(song.items, file.items, offset) for offset in histogram.peaks(thresholds.HISTOGRAM_PEAKS)]
    if not peaks:
        return NOTHING_IN_COMMON
    highest = _best(peaks)
    best = _best([highest, *_neighbours(highest)])
    found = FingerprintSimilarity(
        bit_error_rate=best.error_rate,
        overlap=len(best.errors) / max(1, min(len(song.items), len(file.items))),
        offset=start - best.offset * ITEM_SECONDS,
    )
    distinct = best.distinct_items
    too_dull = distinct < thresholds.MIN_DISTINCT_ITEMS
    if too_dull or histogram.hits_near(best.offset) < thresholds.MIN_HIT_SHARE * distinct:
        return found
    chance = _chance_error_rate(song.items, file.items)
    strictness = min(1.0, chance / thresholds.CHANCE_BIT_ERROR_RATE)
    found = replace(found, coverage=best.coverage(strictness))
    return replace(found, verdict=_verdict(found, best, peaks, strictness))


def _verdict(
    found: FingerprintSimilarity, best: "_Overlap", peaks: "Sequence[_Overlap]", strictness: float
) -> MatchVerdict:
    """`strictness`: 0 to 1, the share of the usual bit error rates that is allowed."""
    is_long = len(best.errors) >= thresholds.MIN_OVERLAP_ITEMS
    few_errors = found.bit_error_rate <= thresholds.MAX_BIT_ERROR_RATE * strictness
    if is_long and few_errors and found.coverage >= thresholds.MIN_COVERAGE:
        ends_agree = (
            best.missing_seconds <= thresholds.MAX_MISSING_SECONDS
            and best.extra_seconds <= thresholds.MAX_EXTRA_SECONDS
        )
        return MatchVerdict.UNSURE if ends_agree else MatchVerdict.EDIT
    overlaps = [one for peak in peaks for one in (peak, *_neighbours(peak))]
    if _edit_coverage(overlaps, thresholds.EDIT_WINDOW_BIT_ERROR_RATE * strictness) >= thresholds.MIN_EDIT_COVERAGE:
        return MatchVerdict.EDIT
    is_version = (
        is_long
        and found.overlap >= thresholds.MIN_VERSION_OVERLAP
        and found.bit_error_rate <= thresholds.VERSION_BIT_ERROR_RATE * strictness
    )
    return MatchVerdict.VERSION if is_version else MatchVerdict.DIFFERENT


@dataclass(frozen=True, slots=True, eq=False)
class _Overlap:
    """A song laid on a file: `song[offset + n]` beside `file[n]`."""

    song: Items
    file: Items
    offset: int
    errors: NDArray[np.uint8]  # shape (items of the overlap,): bits that differ

    @property
    def start(self) -> int:
        """The item of the file at which the overlap begins."""
        return max(0, -self.offset)

    @property
    def error_rate(self) -> float:
        return int(self.errors.sum()) / 32 / len(self.errors) if len(self.errors) else 1.0

    def coverage(self, strictness: float) -> float:
        """Share of windows that agree: a verse that was cut out or replaced shows here, not in the mean."""
        rates = _window_error_rates(self.errors)
        return float((rates < thresholds.WINDOW_BIT_ERROR_RATE * strictness).mean()) if len(rates) else 0.0

    @property
    def distinct_items(self) -> int:
        """Different top 16 bits of the file's items in the overlap."""
        return len(np.unique(self.file[self.start : self.start + len(self.errors)] >> np.uint32(16)))

    @property
    def missing_seconds(self) -> float:
        """Of the song outside the overlap, silence not counted."""
        start = max(0, self.offset)
        return _sounding_seconds(self.song[:start]) + _sounding_seconds(self.song[start + len(self.errors) :])

    @property
    def extra_seconds(self) -> float:
        """The same of the file."""
        end = self.start + len(self.errors)
        return _sounding_seconds(self.file[: self.start]) + _sounding_seconds(self.file[end:])


def _overlap_at(song: Items, file: Items, offset: int) -> _Overlap:
    song_start, file_start = max(0, offset), max(0, -offset)
    length = max(0, min(len(song) - song_start, len(file) - file_start))
    errors = np.bitwise_count(song[song_start : song_start + length] ^ file[file_start : file_start + length])
    return _Overlap(song, file, offset, errors)


def _neighbours(one: _Overlap) -> list[_Overlap]:
    return [_overlap_at(one.song, one.file, one.offset + step) for step in (-1, 1)]


def _best(overlaps: Sequence[_Overlap]) -> _Overlap:
    return max(overlaps, key=lambda one: len(one.errors) * (0.5 - one.error_rate))


def _edit_coverage(overlaps: Sequence[_Overlap], error_rate: float) -> float:
    """Share of the shorter one's windows that agree with some part of the other, at any of the offsets."""
    song, file, window = overlaps[0].song, overlaps[0].file, thresholds.WINDOW_ITEMS
    rates = np.ones((len(overlaps), max(1, len(file) // window)))
    for row, one in zip(rates, overlaps, strict=True):
        first = -(-one.start // window)
        found = _window_error_rates(one.errors[first * window - one.start :])
        row[first : first + len(found)] = found
    agreeing = float((rates.min(axis=0) < error_rate).sum())
    return agreeing * window / max(thresholds.MIN_OVERLAP_ITEMS, min(len(song), len(file)))


def _window_error_rates(errors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shape (whole windows,)."""
    whole = len(errors) // thresholds.WINDOW_ITEMS * thresholds.WINDOW_ITEMS
    rates: NDArray[np.float64] = errors[:whole].reshape(-1, thresholds.WINDOW_ITEMS).mean(axis=1) / 32
    return rates


def _sounding_seconds(items: Items) -> float:
    return float((items != SILENCE).sum()) * ITEM_SECONDS


def _chance_error_rate(song: Items, file: Items) -> float:
    """The bit error rate to expect of items that have nothing in common: two noises are similar at any offset."""
    song_share, file_share = _set_bit_shares(song), _set_bit_shares(file)
    return float((song_share * (1 - file_share) + file_share * (1 - song_share)).mean())


def _set_bit_shares(items: Items) -> NDArray[np.float64]:
    """Shape (32,): of each bit, the share of items that have it set."""
    shares: NDArray[np.float64] = np.unpackbits(items.view(np.uint8)).reshape(-1, 32).mean(axis=0)
    return shares
