"""How a file is recognised, step by step. No database, no file store: what is stored comes in as values or callables.

1. Decode once: `demixer.recognition.decoding.decode_and_fingerprint` gives the samples and both alignment variants of
   the fingerprint.
2. The fingerprint index of the catalogue proposes candidates by the keys of both variants; it is a port.
3. `rank_candidates` compares fingerprints.
4. `compare_with_catalogue` compares the sound with the best matches: time alignment, stem gains, residual and additions
   (`demixer.recognition.mix_comparison`).
5. The verdicts are `Comparison`s, which `match` acts on.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from demixer.domain import Comparison, MatchVerdict
from demixer.recognition import mix_comparison, reference, similarity, thresholds
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.mix_comparison import MixComparison
from demixer.recognition.reference import RATE, Pcm, Reference
from demixer.recognition.similarity import FingerprintSimilarity


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A song of the catalogue, and how similar its fingerprint is to that of a file."""

    song_id: str
    similarity: FingerprintSimilarity


def rank_candidates(variants: Sequence[Fingerprint], songs: Iterable[tuple[str, Fingerprint]]) -> list[Candidate]:
    """The songs that the file has something in common with, the best match first.

    `variants`: both alignment variants of the file's fingerprint, or one of them. `songs`: ids and fingerprints.
    """
    found = [
        Candidate(song_id=song_id, similarity=similarity.compare_fingerprints(fingerprint, variants))
        for song_id, fingerprint in songs
    ]
    related = [one for one in found if one.similarity.verdict is not MatchVerdict.DIFFERENT]
    return sorted(related, key=lambda one: (not one.similarity.is_same_recording, one.similarity.bit_error_rate))


def compare_with_catalogue(
    samples: Pcm, candidates: Sequence[Candidate], load_reference: Callable[[str], Reference | None]
) -> list[Comparison]:
    """The file beside the best candidates, in their order; or the one song that it is the same mix of, alone.

    `candidates`: as `rank_candidates` gives them. `load_reference` gives that of a song by its id, None where no file
    of it is left. The sound is compared where the fingerprints say that it is the same recording, for
    `MAX_SOUND_COMPARISONS` songs at most.
    """
    found: list[Comparison] = []
    compared = 0
    for candidate in candidates[: thresholds.MAX_COMPARISONS]:
        known = None
        if candidate.similarity.is_same_recording and compared < thresholds.MAX_SOUND_COMPARISONS:
            compared += 1
            known = load_reference(candidate.song_id)
        comparison = compare_with_song(samples, candidate, known)
        if comparison.verdict is MatchVerdict.SAME:
            return [comparison]
        found.append(comparison)
    return found


def compare_with_song(samples: Pcm, candidate: Candidate, known: Reference | None) -> Comparison:
    """By the sound, or without a reference by the fingerprints alone."""
    similar = candidate.similarity
    if known is None:
        return Comparison(song_id=candidate.song_id, verdict=similar.verdict, offset=similar.offset)
    mix = compare_sound(samples, similar, known)
    return Comparison(
        song_id=candidate.song_id,
        verdict=combined_verdict(similar, mix),
        offset=similar.offset if mix.offset is None else mix.offset,
        missing_stems=mix.missing_stems,
    )


def compare_sound(samples: Pcm, similar: FingerprintSimilarity, known: Reference) -> MixComparison:
    """Beside a song whose fingerprint is the same recording's."""
    return mix_comparison.compare_mix(reference.as_float(samples), known, round(similar.offset * RATE))


def combined_verdict(similar: FingerprintSimilarity, mix: MixComparison) -> MatchVerdict:
    """Of both comparisons of one file and one song. Different sound under the fingerprint of one recording is an edit
    of it where the fingerprints are near-identical, or else another version.
    """
    if mix.verdict is not MatchVerdict.DIFFERENT:
        return mix.verdict
    return MatchVerdict.EDIT if similar.is_near_identical else MatchVerdict.VERSION


def is_same_mix_both_ways(
    first: Fingerprint,
    second: Fingerprint,
    load_references: Callable[[], tuple[Reference | None, Reference | None]],
) -> bool:
    """Whether two songs are the same recording in the same mix: each is compared with the stems of the other.

    `load_references` gives both references; it is called where the fingerprints say that it is one recording, which
    takes a millisecond. Comparing the sound takes about a second.
    """
    second_in_first = similarity.compare_fingerprints(second, [first])
    first_in_second = similarity.compare_fingerprints(first, [second])
    if not (second_in_first.is_same_recording and first_in_second.is_same_recording):
        return False  # one of them has seconds at its ends that the other has not
    first_reference, second_reference = load_references()
    if first_reference is None or second_reference is None:
        return False
    return all(
        mix_comparison.compare_mix(file.mixture, song, round(similar.offset * RATE)).verdict is MatchVerdict.SAME
        for file, song, similar in (
            (second_reference, first_reference, first_in_second),
            (first_reference, second_reference, second_in_first),
        )
    )
