import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from demixer.audio.examine import examine
from demixer.audio.fingerprint import SILENCE, Fingerprint, compare, sample_keys
from tests.audio_samples import Samples, music, silence, tone, write

SECONDS = 45


def taken(path: Path) -> Fingerprint:
    return examine(path, max_minutes=20).fingerprint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fingerprints")


@pytest.fixture(scope="module")
def original(folder: Path) -> Fingerprint:
    return taken(write(folder / "original.flac", music(SECONDS)))


def items(count: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def test_it_has_eight_items_a_second(original: Fingerprint) -> None:
    assert len(original.items) == pytest.approx(8.08 * (SECONDS - 2.6), abs=5)
    assert original.duration == SECONDS


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
    suffix: str, options: tuple[str, ...], folder: Path, original: Fingerprint
) -> None:
    other = taken(write(folder / f"{'-'.join(options).replace(':', '')}.{suffix}", music(SECONDS), *options))
    found = compare(original, other)
    assert found.same, found
    assert compare(other, original).same


@pytest.mark.parametrize(("suffix", "bitrate"), [("mp3", "64k"), ("opus", "48k"), ("m4a", "96k")])
def test_another_encoding_is_found_by_its_keys(suffix: str, bitrate: str, folder: Path, original: Fingerprint) -> None:
    other = taken(write(folder / f"keys-{bitrate}.{suffix}", music(SECONDS), "-b:a", bitrate))
    assert len(np.intersect1d(sample_keys(original), sample_keys(other))) >= 2


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
def test_an_edit_is_not_the_same_recording(how: str, folder: Path, original: Fingerprint) -> None:
    other = taken(write(folder / f"{how}.wav", changed(music(SECONDS), how)))
    assert not compare(original, other).same


def test_a_semitone_up_is_not_the_same_recording(folder: Path, original: Fingerprint) -> None:
    other = taken(write(folder / "up.wav", music(SECONDS), "-af", "asetrate=46722,aresample=44100"))
    assert not compare(original, other).same


def test_different_songs_are_different(folder: Path, original: Fingerprint) -> None:
    others = [taken(write(folder / f"seed-{seed}.flac", music(SECONDS, seed=seed))) for seed in (2, 3, 4)]
    assert not any(compare(original, other).same for other in others)
    assert min(compare(original, other).bit_error_rate for other in others) > 0.25


def test_tones_and_silence_match_nothing(folder: Path) -> None:
    noise = (np.random.default_rng(2).standard_normal((2, SECONDS * 44_100)) * 0.1).astype(np.float32)
    ticking = np.concatenate([silence(SECONDS - 1), tone(1)], axis=1)
    dull = {"a": tone(SECONDS), "c": tone(SECONDS, frequency=523.25), "noise": noise, "ticking": ticking}
    prints = [taken(write(folder / f"{name}.flac", samples)) for name, samples in dull.items()]
    assert not any(compare(one, other).same for one in prints for other in prints)


def test_the_durations_must_agree() -> None:
    song = items(1_000)
    assert compare(Fingerprint(song, 130.0), Fingerprint(song, 136.9)).same
    assert not compare(Fingerprint(song, 130.0), Fingerprint(song, 137.1)).same


def test_a_shift_is_found_in_both_directions() -> None:
    song = items(1_000)
    found = compare(Fingerprint(song, 124), Fingerprint(song[40:], 119))
    assert (found.same, found.offset_items, found.bit_error_rate) == (True, 40, 0.0)
    assert compare(Fingerprint(song[40:], 119), Fingerprint(song, 124)).offset_items == -40


def test_a_replaced_verse_shows_although_the_mean_is_low() -> None:
    song = items(2_000)
    other = song.copy()
    other[600:900] = items(300, seed=2)
    found = compare(Fingerprint(song, 250), Fingerprint(other, 250))
    assert found.bit_error_rate < 0.12
    assert not found.same


def test_short_and_empty_fingerprints_match_nothing() -> None:
    for count in (0, 1, 199):
        one = Fingerprint(items(count), 20.0)
        assert not compare(one, one).same
    assert not compare(Fingerprint(items(0), 20.0), Fingerprint(items(900), 20.0)).same
    assert sample_keys(Fingerprint(items(0), 20.0)).size == 0


def test_keys_are_chosen_by_value_alone() -> None:
    song = items(4_000)
    song[::10] = SILENCE
    keys = sample_keys(Fingerprint(song, 500))
    assert len(keys) == pytest.approx(3_600 / 16, rel=0.25)
    assert SILENCE not in keys
    assert set(sample_keys(Fingerprint(song[1_000:], 375))) <= set(keys)
    assert np.array_equal(sample_keys(Fingerprint(song[::-1].copy(), 500)), keys)


def test_it_survives_storage_and_is_small(original: Fingerprint) -> None:
    for stored in (original, Fingerprint(items(0), 0.0), Fingerprint(items(1), 5.5)):
        back = Fingerprint.from_bytes(stored.to_bytes())
        assert np.array_equal(back.items, stored.items)
        assert back.items.dtype == np.uint32
        assert back.duration == stored.duration
    assert len(original.to_bytes()) < 1_500


def test_damaged_bytes_are_a_value_error(original: Fingerprint) -> None:
    good = original.to_bytes()
    header = struct.Struct("<BBfI")
    bomb = header.pack(1, 1, 60.0, 10) + zlib.compress(bytes(50_000_000))
    bad = [
        b"",
        good[:5],
        good[:-1],
        good[:50],
        b"\x02" + good[1:],
        b"\x01\x07" + good[2:],
        good[:40] + bytes(20) + good[60:],
    ]
    bad += [bomb, header.pack(1, 1, 60.0, 1 << 31) + good[10:], header.pack(1, 1, float("nan"), 0) + zlib.compress(b"")]
    for data in bad:
        with pytest.raises(ValueError, match="fingerprint"):
            Fingerprint.from_bytes(data)
