"""The similarity of two fingerprints: of real encodings, and of items that are made here."""

from pathlib import Path

import numpy as np
import pytest

from demixer.domain import MatchVerdict
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.fingerprint import HALF_HOP_SECONDS, ITEM_SECONDS, SILENCE, Fingerprint, Items
from demixer.recognition.reference import RATE
from demixer.recognition.similarity import compare_fingerprints, is_distinctive
from demixer.recognition.thresholds import MAX_EXTRA_SECONDS, MAX_MISSING_SECONDS
from tests.audio_samples import Samples, music, silence, tone, write

SECONDS = 45
Variants = list[Fingerprint]  # the fingerprint of a file, and its half-hop variant


def fingerprinted(path: Path) -> Variants:
    return [*decode_and_fingerprint(path, max_minutes=20).fingerprints]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("similarity")


@pytest.fixture(scope="module")
def original(folder: Path) -> Variants:
    return fingerprinted(write(folder / "original.flac", music(SECONDS)))


def items(count: int, seed: int = 1) -> Items:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def fingerprint_of(song: Items) -> Fingerprint:
    return Fingerprint(song, len(song) * ITEM_SECONDS)


def noisy(song: Items, share: float, seed: int = 9) -> Items:
    """With that share of its bits inverted."""
    flips = np.random.default_rng(seed).random((len(song), 32)) < share
    return song ^ np.packbits(flips, axis=1).view(">u4").astype(np.uint32)[:, 0]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp3", ("-b:a", "128k")),
        ("mp3", ("-b:a", "64k")),
        ("ogg", ("-q:a", "1")),
        ("m4a", ("-b:a", "96k")),
        ("opus", ("-b:a", "48k")),
        ("wma", ("-b:a", "64k")),
        ("wav", ("-af", "volume=-6dB")),
        ("wav", ("-af", "volume=6dB")),
        ("wav", ("-ac", "1")),
        ("wav", ("-ar", "22050")),
        ("wav", ("-af", "adelay=500:all=1")),
        ("wav", ("-af", "atrim=start=3")),
    ],
)
def test_another_encoding_is_the_same_recording(
    suffix: str, options: tuple[str, ...], folder: Path, original: Variants
) -> None:
    variants = fingerprinted(write(folder / f"{'-'.join(options).replace(':', '')}.{suffix}", music(SECONDS), *options))
    found = compare_fingerprints(original[0], variants)
    assert found.is_near_identical, found


def changed(original: Samples, how: str) -> Samples:
    half = original.shape[1] // 2
    if how == "other song after half":
        return np.concatenate([original[:, :half], music(SECONDS, seed=3)[:, half:]], axis=1)
    if how == "half of it":
        return original[:, :half]
    if how == "backwards":
        return original[:, ::-1]
    return np.concatenate([original, music(20, seed=5)], axis=1)


@pytest.mark.parametrize("how", ["other song after half", "half of it", "backwards", "20 s more"])
def test_an_edit_is_not_the_same_recording(how: str, folder: Path, original: Variants) -> None:
    other = fingerprinted(write(folder / f"{how}.wav", changed(music(SECONDS), how)))
    assert not compare_fingerprints(original[0], other).is_near_identical


def test_a_semitone_up_is_not_the_same_recording(folder: Path, original: Variants) -> None:
    other = fingerprinted(write(folder / "up.wav", music(SECONDS), "-af", "asetrate=46722,aresample=44100"))
    assert not compare_fingerprints(original[0], other).is_near_identical


@pytest.mark.thorough
def test_different_songs_are_different(folder: Path, original: Variants) -> None:
    others = [fingerprinted(write(folder / f"seed-{seed}.flac", music(SECONDS, seed=seed))) for seed in (2, 3, 4)]
    assert not any(compare_fingerprints(original[0], other).is_same_recording for other in others)
    assert min(compare_fingerprints(original[0], other).bit_error_rate for other in others) > 0.25


@pytest.mark.thorough
def test_tones_and_silence_match_nothing(folder: Path) -> None:
    noise = (np.random.default_rng(2).standard_normal((2, SECONDS * 44_100)) * 0.1).astype(np.float32)
    ticking = np.concatenate([silence(SECONDS - 1), tone(1)], axis=1)
    dull = {"a": tone(SECONDS), "c": tone(SECONDS, frequency=523.25), "noise": noise, "ticking": ticking}
    fingerprints = [fingerprinted(write(folder / f"{name}.flac", samples)) for name, samples in dull.items()]
    assert not any(
        compare_fingerprints(one[0], other).is_same_recording for one in fingerprints for other in fingerprints
    )


def test_a_delay_of_half_a_hop_is_found_by_the_half_hop_variant(folder: Path, original: Variants) -> None:
    """The worst cut there is: without the variant one bit in fifteen is wrong."""
    late = fingerprinted(write(folder / "late.wav", music(SECONDS), "-af", f"atrim=start={HALF_HOP_SECONDS}"))
    one, two = compare_fingerprints(original[0], late[:1]), compare_fingerprints(original[0], late)
    assert two.bit_error_rate < 0.02 < one.bit_error_rate


def test_the_offset_says_where_in_the_file_the_song_begins() -> None:
    song = items(1_000)
    found = compare_fingerprints(
        fingerprint_of(song), [fingerprint_of(np.concatenate([np.full(40, SILENCE, np.uint32), song]))]
    )
    assert found.is_same_recording
    assert found.offset == pytest.approx(40 * ITEM_SECONDS)
    cut = compare_fingerprints(fingerprint_of(song), [fingerprint_of(song[40:])])
    assert cut.is_same_recording
    assert cut.offset == pytest.approx(-40 * ITEM_SECONDS)


def test_a_file_may_lack_more_seconds_of_the_song_than_it_may_add() -> None:
    song, second = items(2_000), round(1 / ITEM_SECONDS)
    for missing, verdict in (
        (MAX_MISSING_SECONDS - 1, MatchVerdict.UNSURE),
        (MAX_MISSING_SECONDS + 1, MatchVerdict.EDIT),
    ):
        assert (
            compare_fingerprints(fingerprint_of(song), [fingerprint_of(song[round(missing * second) :])]).verdict
            is verdict
        )
    for extra, verdict in ((MAX_EXTRA_SECONDS - 1, MatchVerdict.UNSURE), (MAX_EXTRA_SECONDS + 1, MatchVerdict.EDIT)):
        assert (
            compare_fingerprints(fingerprint_of(song[round(extra * second) :]), [fingerprint_of(song)]).verdict
            is verdict
        )


def test_silence_at_the_ends_is_neither_missing_nor_extra() -> None:
    song, quiet = items(1_000), np.full(400, SILENCE, np.uint32)
    assert compare_fingerprints(
        fingerprint_of(song), [fingerprint_of(np.concatenate([quiet, song, quiet]))]
    ).is_near_identical
    assert compare_fingerprints(fingerprint_of(np.concatenate([quiet, song])), [fingerprint_of(song)]).is_near_identical


def test_a_replaced_verse_shows_although_the_mean_is_low() -> None:
    song = items(2_000)
    other = song.copy()
    other[600:900] = items(300, seed=2)
    found = compare_fingerprints(fingerprint_of(song), [fingerprint_of(other)])
    assert found.bit_error_rate < 0.12
    assert not found.is_near_identical


@pytest.mark.thorough
def test_two_noises_are_different_although_few_of_their_bits_differ(folder: Path) -> None:
    """The fingerprints of two white noises differ in 18 % of their bits at any offset."""
    random = np.random.default_rng(4)
    noises = [random.normal(0, 0.1, (1, 150 * RATE)).astype(np.float32) for _ in range(2)]
    one, other = (fingerprinted(write(folder / "noise.wav", noise, sample_rate=RATE)) for noise in noises)
    assert is_distinctive(one[0])
    assert compare_fingerprints(one[0], other).verdict is MatchVerdict.DIFFERENT
    assert compare_fingerprints(one[0], one).is_near_identical


@pytest.mark.parametrize("cut", [160, 400])
def test_parts_in_another_place_are_an_edit(cut: int) -> None:
    song = items(1_500)
    assert (
        compare_fingerprints(fingerprint_of(song), [fingerprint_of(np.delete(song, slice(500, 500 + cut)))]).verdict
        is MatchVerdict.EDIT
    )
    longer = np.concatenate([items(500, seed=3), song])
    assert compare_fingerprints(fingerprint_of(song), [fingerprint_of(longer)]).verdict is MatchVerdict.EDIT


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.05, MatchVerdict.UNSURE), (0.15, MatchVerdict.UNSURE), (0.3, MatchVerdict.DIFFERENT)]
)
def test_the_share_of_differing_bits_decides(share: float, verdict: MatchVerdict) -> None:
    song = items(6_000)
    found = compare_fingerprints(fingerprint_of(song), [fingerprint_of(noisy(song, share))])
    assert (found.verdict, found.is_near_identical) == (verdict, share < 0.12)


def test_short_and_empty_fingerprints_match_nothing() -> None:
    for count in (0, 1, 199):
        assert (
            compare_fingerprints(fingerprint_of(items(count)), [fingerprint_of(items(count))]).verdict
            is not MatchVerdict.UNSURE
        )
    assert (
        compare_fingerprints(fingerprint_of(items(0)), [fingerprint_of(items(900))]).verdict is MatchVerdict.DIFFERENT
    )


def test_short_monotonous_and_looped_songs_are_not_distinctive() -> None:
    loop = np.tile(items(121), 40)  # of a whole number of items, so that every place repeats
    few = np.tile(items(20), 50)
    assert [is_distinctive(fingerprint_of(song)) for song in (items(199), few, loop, items(200))] == [
        False,
        False,
        False,
        True,
    ]


def test_the_time_for_items_that_repeat_over_and_over_is_bounded() -> None:
    few = np.tile(np.repeat(items(3_000), 8), 7)  # as many equal keys as count at all
    assert (
        compare_fingerprints(fingerprint_of(few), [fingerprint_of(few[::-1].copy())]).verdict is not MatchVerdict.UNSURE
    )
