"""The relation of two fingerprints, of real encodings and of made-up items."""

from pathlib import Path

import numpy as np
import pytest

from demixer.recognition.decoding import examine
from demixer.recognition.fingerprint import ITEM_SECONDS, SHIFT_SECONDS, SILENCE, Fingerprint, Items
from demixer.recognition.reference import RATE
from demixer.recognition.similarity import MAX_EXTRA, MAX_MISSING, Kind, compare, tells
from tests.audio_samples import Samples, music, silence, tone, write

SECONDS = 45
Phases = list[Fingerprint]


def taken(path: Path) -> Phases:
    found = examine(path, max_minutes=20)
    return [found.fingerprint, found.shifted]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("likeness")


@pytest.fixture(scope="module")
def original(folder: Path) -> Phases:
    return taken(write(folder / "original.flac", music(SECONDS)))


def items(count: int, seed: int = 1) -> Items:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def alone(song: Items) -> Fingerprint:
    return Fingerprint(song, len(song) * ITEM_SECONDS)


def noisy(song: Items, share: float, seed: int = 9) -> Items:
    """With that share of its bits turned over."""
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
    suffix: str, options: tuple[str, ...], folder: Path, original: Phases
) -> None:
    phases = taken(write(folder / f"{'-'.join(options).replace(':', '')}.{suffix}", music(SECONDS), *options))
    found = compare(original[0], phases)
    assert found.sure, found


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
def test_an_edit_is_not_the_same_recording(how: str, folder: Path, original: Phases) -> None:
    other = taken(write(folder / f"{how}.wav", changed(music(SECONDS), how)))
    assert not compare(original[0], other).sure


def test_a_semitone_up_is_not_the_same_recording(folder: Path, original: Phases) -> None:
    other = taken(write(folder / "up.wav", music(SECONDS), "-af", "asetrate=46722,aresample=44100"))
    assert not compare(original[0], other).sure


@pytest.mark.thorough
def test_different_songs_are_different(folder: Path, original: Phases) -> None:
    others = [taken(write(folder / f"seed-{seed}.flac", music(SECONDS, seed=seed))) for seed in (2, 3, 4)]
    assert not any(compare(original[0], other).same for other in others)
    assert min(compare(original[0], other).bit_error_rate for other in others) > 0.25


@pytest.mark.thorough
def test_tones_and_silence_match_nothing(folder: Path) -> None:
    noise = (np.random.default_rng(2).standard_normal((2, SECONDS * 44_100)) * 0.1).astype(np.float32)
    ticking = np.concatenate([silence(SECONDS - 1), tone(1)], axis=1)
    dull = {"a": tone(SECONDS), "c": tone(SECONDS, frequency=523.25), "noise": noise, "ticking": ticking}
    prints = [taken(write(folder / f"{name}.flac", samples)) for name, samples in dull.items()]
    assert not any(compare(one[0], other).same for one in prints for other in prints)


def test_half_an_item_late_is_met_half_way(folder: Path, original: Phases) -> None:
    """The worst cut there is: one phase alone has one bit in fifteen wrong."""
    late = taken(write(folder / "late.wav", music(SECONDS), "-af", f"atrim=start={SHIFT_SECONDS}"))
    one, two = compare(original[0], late[:1]), compare(original[0], late)
    assert two.bit_error_rate < 0.02 < one.bit_error_rate


def test_the_offset_says_where_in_the_file_the_song_begins() -> None:
    song = items(1_000)
    found = compare(alone(song), [alone(np.concatenate([np.full(40, SILENCE, np.uint32), song]))])
    assert found.same
    assert found.offset == pytest.approx(40 * ITEM_SECONDS)
    cut = compare(alone(song), [alone(song[40:])])
    assert cut.same
    assert cut.offset == pytest.approx(-40 * ITEM_SECONDS)


def test_a_file_may_lack_some_seconds_of_the_song_but_not_bring_many_that_the_song_has_not() -> None:
    song, second = items(2_000), round(1 / ITEM_SECONDS)
    for missing, kind in ((MAX_MISSING - 1, Kind.SAME), (MAX_MISSING + 1, Kind.EDIT)):
        assert compare(alone(song), [alone(song[round(missing * second) :])]).kind is kind
    for extra, kind in ((MAX_EXTRA - 1, Kind.SAME), (MAX_EXTRA + 1, Kind.EDIT)):
        assert compare(alone(song[round(extra * second) :]), [alone(song)]).kind is kind


def test_silence_at_the_ends_is_neither_missing_nor_extra() -> None:
    song, hush = items(1_000), np.full(400, SILENCE, np.uint32)
    assert compare(alone(song), [alone(np.concatenate([hush, song, hush]))]).sure
    assert compare(alone(np.concatenate([hush, song])), [alone(song)]).sure


def test_a_replaced_verse_shows_although_the_mean_is_low() -> None:
    song = items(2_000)
    other = song.copy()
    other[600:900] = items(300, seed=2)
    found = compare(alone(song), [alone(other)])
    assert found.bit_error_rate < 0.12
    assert not found.sure


@pytest.mark.thorough
def test_noises_are_as_much_alike_as_any_two_of_their_kind_which_is_nothing(folder: Path) -> None:
    """The prints of two white noises differ in 18 % of their bits, wherever one lies on the other."""
    random = np.random.default_rng(4)
    noises = [random.normal(0, 0.1, (1, 150 * RATE)).astype(np.float32) for _ in range(2)]
    one, other = (taken(write(folder / "noise.wav", noise, sample_rate=RATE)) for noise in noises)
    assert tells(one[0])
    assert compare(one[0], other).kind is Kind.DIFFERENT
    assert compare(one[0], one).sure


@pytest.mark.parametrize("cut", [160, 400])
def test_parts_in_another_place_are_an_edit(cut: int) -> None:
    song = items(1_500)
    assert compare(alone(song), [alone(np.delete(song, slice(500, 500 + cut)))]).kind is Kind.EDIT
    longer = np.concatenate([items(500, seed=3), song])
    assert compare(alone(song), [alone(longer)]).kind is Kind.EDIT


@pytest.mark.parametrize(("share", "kind"), [(0.05, Kind.SAME), (0.15, Kind.SAME), (0.3, Kind.DIFFERENT)])
def test_the_more_bits_differ_the_less_they_are_one(share: float, kind: Kind) -> None:
    song = items(6_000)
    found = compare(alone(song), [alone(noisy(song, share))])
    assert (found.kind, found.sure) == (kind, share < 0.12)


def test_short_and_empty_fingerprints_match_nothing() -> None:
    for count in (0, 1, 199):
        assert compare(alone(items(count)), [alone(items(count))]).kind is not Kind.SAME
    assert compare(alone(items(0)), [alone(items(900))]).kind is Kind.DIFFERENT


def test_what_is_short_dull_or_like_itself_everywhere_tells_nothing() -> None:
    loop = np.tile(items(121), 40)  # of exactly as many items: no place in it is like no other
    few = np.tile(items(20), 50)
    assert [tells(alone(song)) for song in (items(199), few, loop, items(200))] == [False, False, False, True]


def test_what_is_all_alike_takes_no_time() -> None:
    few = np.tile(np.repeat(items(3_000), 8), 7)  # as many equal keys as the rule lets vote, over and over
    assert compare(alone(few), [alone(few[::-1].copy())]).kind is not Kind.SAME
