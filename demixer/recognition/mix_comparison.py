"""Whether a file is the same mix as a song that its fingerprint says it is a recording of.

A karaoke version, or one without drums, has nearly the fingerprint of the song. So the samples are compared: the file
is aligned with the song and explained by the song's stems (`stem_levels`). What the song leaves unexplained must be
little, everywhere (`residual`) and in bursts and tones (`additions`). How well this tells mixes apart:
docs/recognition.md.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from demixer.domain import MatchVerdict
from demixer.recognition import thresholds
from demixer.recognition.additions import addition_ratio
from demixer.recognition.alignment import find_lag, fractional_delay, overlapping
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.residual import Residual, has_local_addition
from demixer.recognition.stem_levels import measure_stem_levels
from demixer.recognition.stft import FREQUENCIES, Samples, Spectrum, bands_below_cutoff, stft
from demixer.recognition.waveshaper import shaped_like


@dataclass(frozen=True, slots=True, kw_only=True)
class MixComparison:
    """Of a file with a song. `verdict`: SAME, MIX, UNSURE, or DIFFERENT where the two are not the same recording.

    `lag`: the sample of the file, at `RATE`, at which the song begins; None where it is DIFFERENT. `missing_stems`:
    that the file has not. `interrupted_stems`: that are gone for 15 s. `level_changes`: of stems that are louder or
    quieter, in dB. `addition_ratio`: of what stands out of one above the other to what may; at 1 and above, something
    was added.
    """

    verdict: MatchVerdict
    lag: int | None = None
    missing_stems: tuple[str, ...] = ()
    interrupted_stems: tuple[str, ...] = ()
    level_changes: dict[str, float] = field(default_factory=dict)
    addition_ratio: float = 0.0

    @property
    def is_sure(self) -> bool:
        """False where the reference has no stems, or they tell too little. Then only a copy without loss is SAME."""
        return self.verdict is not MatchVerdict.UNSURE

    @property
    def offset(self) -> float | None:
        """Seconds into the file at which the song begins."""
        return None if self.lag is None else self.lag / RATE


def compare_mix(file: Samples, reference: Reference, expected_lag: int) -> MixComparison:
    """`file`: mono at `RATE`. `expected_lag`: of the song in the file by the fingerprints, in samples.

    Takes about a third of a second for four minutes and four stems, in pieces of ten minutes at most.
    """
    lag = find_lag(file, reference.mixture, expected_lag)
    if lag is None:  # perhaps of inverted polarity, which nobody hears
        file = -file
        lag = find_lag(file, reference.mixture, expected_lag)
    if lag is None:
        return MixComparison(verdict=MatchVerdict.DIFFERENT)
    file, channels = overlapping(file, reference.samples, lag)
    pieces = -(-len(file) // (thresholds.MAX_PIECE_SECONDS * RATE))
    pairs = zip(np.array_split(file, pieces), np.array_split(channels, pieces, axis=1), strict=True)
    found = [_compare_piece(*pair, reference.stem_names) for pair in pairs]
    worst = next((one for one in found if one.verdict is not MatchVerdict.SAME), found[0])
    return worst if worst.verdict is MatchVerdict.DIFFERENT else replace(worst, lag=lag)


def _compare_piece(file: Samples, channels: NDArray[np.float32], stem_names: tuple[str, ...]) -> MixComparison:
    """`channels`: the song's mixture and stems, of the same length as the file. Shape (1 + stems, samples)."""
    with ThreadPoolExecutor(1) as beside:  # has about as much to do as this thread
        channel_spectra = beside.submit(lambda: [stft(channel) for channel in channels] if stem_names else [])
        song = stft(shaped_like(file, channels[0]))
        spectrum = _aligned(stft(file), song)
        additions = beside.submit(addition_ratio, spectrum, song)
        residual = Residual.of(spectrum, song)
        missing = Residual.of(song, spectrum, bands_below_cutoff(spectrum, song))
        is_edited = residual.is_edited
        levels = None
        if stem_names and not is_edited:
            levels = measure_stem_levels(stem_names, spectrum, *channel_spectra.result())
    ratio = additions.result()
    if is_edited:
        return MixComparison(verdict=MatchVerdict.DIFFERENT, addition_ratio=ratio)
    if levels is None:
        is_copy = ratio < 1 and residual.share < thresholds.MAX_COPY_RESIDUAL
        return MixComparison(verdict=MatchVerdict.SAME if is_copy else MatchVerdict.UNSURE, addition_ratio=ratio)
    has_addition = ratio >= 1 or has_local_addition(residual, missing)
    return MixComparison(
        verdict=MatchVerdict.MIX if has_addition else levels.verdict,
        missing_stems=levels.missing,
        interrupted_stems=levels.interrupted,
        level_changes=levels.changes,
        addition_ratio=ratio,
    )


def _aligned(file: Spectrum, song: Spectrum) -> Spectrum:
    """The file earlier by the fraction of a sample that it comes late."""
    delay = fractional_delay(file, song, FREQUENCIES)
    aligned: Spectrum = file * np.exp(2j * np.pi * FREQUENCIES * delay / RATE).astype(np.complex64)
    return aligned
