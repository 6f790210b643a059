import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.fingerprint import SILENCE, Fingerprint, sample_keys
from tests.audio_samples import music, write

SECONDS = 45


def fingerprinted(path: Path) -> Fingerprint:
    return decode_and_fingerprint(path, max_minutes=20).fingerprint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fingerprints")


@pytest.fixture(scope="module")
def original(folder: Path) -> Fingerprint:
    return fingerprinted(write(folder / "original.flac", music(SECONDS)))


def items(count: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def test_it_has_eight_items_a_second(original: Fingerprint) -> None:
    assert len(original.items) == pytest.approx(8.08 * (SECONDS - 2.6), abs=5)
    assert original.duration == SECONDS


@pytest.mark.thorough
@pytest.mark.parametrize(("suffix", "bitrate"), [("mp3", "64k"), ("opus", "48k"), ("m4a", "96k")])
def test_another_encoding_is_found_by_its_keys(suffix: str, bitrate: str, folder: Path, original: Fingerprint) -> None:
    other = fingerprinted(write(folder / f"keys-{bitrate}.{suffix}", music(SECONDS), "-b:a", bitrate))
    assert len(np.intersect1d(sample_keys(original), sample_keys(other))) >= 2


def test_keys_are_chosen_by_value_alone() -> None:
    song = items(4_000)
    song[::10] = SILENCE
    keys = sample_keys(Fingerprint(song, 500))
    assert len(keys) == pytest.approx(3_600 / 16, rel=0.25)
    assert SILENCE not in keys
    assert set(sample_keys(Fingerprint(song[1_000:], 375))) <= set(keys)
    assert np.array_equal(sample_keys(Fingerprint(song[::-1].copy(), 500)), keys)


def test_a_short_song_has_four_times_as_many_keys_with_those_of_a_long_one_among_them() -> None:
    song = items(4_000)
    short = sample_keys(Fingerprint(song[:500], 62))
    assert len(short) == pytest.approx(500 / 4, rel=0.25)
    of_both = np.intersect1d(short, sample_keys(Fingerprint(song, 500)))
    assert len(of_both) == pytest.approx(500 / 16, rel=0.4)


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
