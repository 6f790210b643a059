"""A file beside the songs of a catalogue: by fingerprints that are made here, and by the sound of whole files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from demixer.domain import Comparison, MatchVerdict
from demixer.recognition import mix_comparison, pipeline, reference, thresholds
from demixer.recognition.decoding import DecodedAudio, decode_and_fingerprint
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint, Items
from demixer.recognition.mix_comparison import MixComparison
from demixer.recognition.pipeline import Candidate
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.similarity import FingerprintSimilarity
from tests.audio_samples import music, write

SECONDS = 40.0
SAME = FingerprintSimilarity(verdict=MatchVerdict.UNSURE, bit_error_rate=0.05, coverage=1.0, offset=2.0)
EDIT = FingerprintSimilarity(verdict=MatchVerdict.EDIT, bit_error_rate=0.2, offset=-3.0)
SILENCE = np.zeros(RATE, np.int16)
ANY = Reference.without_stems(SILENCE)

Answers = Callable[..., None]


def items(seed: int, count: int = 1_000) -> Items:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def fingerprint_of(of: Items) -> Fingerprint:
    return Fingerprint(of, len(of) * ITEM_SECONDS)


def noisy(of: Items, bits: int) -> Items:
    """With so many bits of each item inverted."""
    return of ^ np.uint32((1 << bits) - 1)


@pytest.fixture
def mixes(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the comparisons of the sound answer, one after another."""

    def answer(*found: MixComparison) -> None:
        answers = iter(found)
        monkeypatch.setattr(mix_comparison, "compare_mix", lambda *_: next(answers))

    return answer


def candidates(*similar: FingerprintSimilarity) -> list[Candidate]:
    return [Candidate(song_id=f"song {number}", similarity=one) for number, one in enumerate(similar)]


def compared(*similar: FingerprintSimilarity) -> list[Comparison]:
    return pipeline.compare_with_catalogue(SILENCE, candidates(*similar), lambda _: ANY)


def test_the_best_match_comes_first_and_other_songs_are_left_out() -> None:
    song = items(1)
    songs = {"edit": song[300:], "noisy": noisy(song, 5), "other": items(2), "same": song, "noise": noisy(song, 1)}
    ranked = pipeline.rank_candidates(
        [fingerprint_of(song)], ((song_id, fingerprint_of(one)) for song_id, one in songs.items())
    )
    assert [one.song_id for one in ranked] == ["same", "noise", "noisy", "edit"]
    assert [one.similarity.is_same_recording for one in ranked] == [True, True, True, False]


def test_a_song_in_the_same_mix_is_the_only_comparison(mixes: Answers) -> None:
    mixes(
        MixComparison(verdict=MatchVerdict.MIX, lag=22_050, missing_stems=("vocals",)),
        MixComparison(verdict=MatchVerdict.SAME, lag=11_025),
    )
    (found,) = compared(SAME, SAME, SAME)
    assert found == Comparison(song_id="song 1", verdict=MatchVerdict.SAME, offset=1.0)


def test_another_mix_names_the_missing_stems_and_where_the_song_begins(mixes: Answers) -> None:
    mixes(MixComparison(verdict=MatchVerdict.MIX, lag=-11_025, missing_stems=("vocals",)))
    (found,) = compared(SAME)
    assert (found.verdict, found.offset, found.missing_stems) == (MatchVerdict.MIX, -1.0, ("vocals",))


@pytest.mark.parametrize(("coverage", "verdict"), [(1.0, MatchVerdict.EDIT), (0.9, MatchVerdict.VERSION)])
def test_other_sound_under_one_fingerprint_is_an_edit_or_a_version(
    coverage: float, verdict: MatchVerdict, mixes: Answers
) -> None:
    mixes(MixComparison(verdict=MatchVerdict.DIFFERENT))
    (found,) = compared(replace(SAME, coverage=coverage))
    assert (found.verdict, found.offset) == (verdict, SAME.offset)


def test_without_a_reference_the_fingerprints_decide() -> None:
    found = pipeline.compare_with_catalogue(SILENCE, candidates(SAME, EDIT), lambda _: None)
    assert [(one.verdict, one.offset) for one in found] == [(MatchVerdict.UNSURE, 2.0), (MatchVerdict.EDIT, -3.0)]


def test_the_sound_of_few_songs_is_compared_and_few_comparisons_are_kept(mixes: Answers) -> None:
    mixes(*[MixComparison(verdict=MatchVerdict.MIX, lag=0)] * thresholds.MAX_SOUND_COMPARISONS)
    loaded: list[str] = []

    def load(song_id: str) -> Reference:
        loaded.append(song_id)
        return ANY

    found = pipeline.compare_with_catalogue(SILENCE, candidates(*[SAME] * 20), load)
    assert len(loaded) == thresholds.MAX_SOUND_COMPARISONS
    assert len(found) == thresholds.MAX_COMPARISONS
    assert {one.verdict for one in found[len(loaded) :]} == {MatchVerdict.UNSURE}


@pytest.mark.parametrize(
    ("verdicts", "same"),
    [
        ((MatchVerdict.SAME, MatchVerdict.SAME), True),
        ((MatchVerdict.SAME, MatchVerdict.MIX), False),
        ((MatchVerdict.MIX, MatchVerdict.SAME), False),
        ((MatchVerdict.UNSURE, MatchVerdict.SAME), False),
    ],
)
def test_two_songs_are_one_where_both_directions_say_so(
    verdicts: tuple[MatchVerdict, MatchVerdict], same: bool, mixes: Answers
) -> None:
    mixes(*(MixComparison(verdict=verdict, lag=0) for verdict in verdicts))
    song = fingerprint_of(items(1))
    assert pipeline.is_same_mix_both_ways(song, song, lambda: (ANY, ANY)) is same


def test_two_songs_are_not_one_where_one_has_more_or_no_reference_is_left() -> None:
    whole, cut = fingerprint_of(items(1)), fingerprint_of(items(1)[60:])
    for first, second in ((whole, cut), (cut, whole)):
        assert not pipeline.is_same_mix_both_ways(first, second, lambda: pytest.fail("references are loaded"))
    assert not pipeline.is_same_mix_both_ways(whole, whole, lambda: (ANY, None))


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DecodedAudio]:
    folder: Path = tmp_path_factory.mktemp("pipeline")

    def decode(name: str, *options: str, seed: int = 1) -> DecodedAudio:
        return decode_and_fingerprint(write(folder / name, music(SECONDS, seed=seed), *options), max_minutes=20)

    return decode


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "options", "verdict", "offset"),
    [
        ("copy.wav", (), MatchVerdict.SAME, 0.0),
        ("late.flac", ("-af", "adelay=1000:all=1"), MatchVerdict.SAME, 1.0),
        ("lossy.mp3", ("-b:a", "48k"), MatchVerdict.UNSURE, 0.0),
        ("cut.wav", ("-af", "aselect='not(between(t,10,12))'"), MatchVerdict.EDIT, 0.0),
    ],
)
def test_a_file_is_recognised_from_its_decode_to_its_verdict(
    name: str, options: tuple[str, ...], verdict: MatchVerdict, offset: float, decoded: Callable[..., DecodedAudio]
) -> None:
    songs = {"song": decoded("song.flac"), "other": decoded("other.flac", seed=2)}
    file = decoded(name, *options)
    stored = reference.decode_mono(reference.encode_mono(file.samples))
    assert stored is not None
    ranked = pipeline.rank_candidates(file.fingerprints, ((key, song.fingerprint) for key, song in songs.items()))
    (found,) = pipeline.compare_with_catalogue(
        stored, ranked, lambda song_id: Reference.without_stems(songs[song_id].samples)
    )
    assert (found.song_id, found.verdict) == ("song", verdict)
    assert found.offset == pytest.approx(offset, abs=0.001 if verdict is not MatchVerdict.EDIT else 2.5)
