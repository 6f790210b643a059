"""The reference of a song, and the mono samples of a file: what is written is what is read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from demixer.recognition import reference
from tests.audio_samples import music, write

NAMES = ("vocals", "accompaniment")


def test_what_is_read_is_the_mixture_and_the_stems_in_their_order_sample_for_sample(tmp_path: Path) -> None:
    source = write(tmp_path / "song.flac", music(6, seed=1))
    stems = [write(tmp_path / f"{name}.flac", music(5, seed=seed)) for seed, name in enumerate(NAMES, 2)]
    known = reference.read(reference.write(source, tmp_path, NAMES), NAMES)
    assert known is not None
    assert known.stem_names == NAMES
    for sound, path in zip(known.samples, (source, *stems), strict=True):
        alone = reference.as_float(reference.decode_file(path))
        np.testing.assert_array_equal(sound[: len(alone)], alone)
        assert not sound[len(alone) :].any(), "a stem that ends earlier is silent from there"


@pytest.mark.parametrize("damage", [lambda flac: b"", lambda flac: b"\0" * 5000, lambda flac: flac[: len(flac) // 2]])
def test_a_file_that_is_damaged_is_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    written = reference.write(write(tmp_path / "song.flac", music(6)), tmp_path, ())
    written.write_bytes(damage(written.read_bytes()))
    assert reference.read(written, ()) is None


def test_one_of_other_stems_is_none(tmp_path: Path) -> None:
    assert reference.read(reference.write(write(tmp_path / "song.flac", music(6)), tmp_path, ()), NAMES) is None


@pytest.mark.parametrize("length", [1, 4_097, 10 * reference.RATE])
def test_mono_samples_are_stored_without_loss(length: int) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, length).astype(np.int16)
    back = reference.decode_mono(reference.encode_mono(samples))
    assert back is not None
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, samples)


def test_mono_samples_of_a_file_are_stored_smaller_than_they_are(tmp_path: Path) -> None:
    samples = reference.decode_file(write(tmp_path / "song.flac", music(12)))
    assert len(reference.encode_mono(samples)) < 0.9 * samples.nbytes


@pytest.mark.parametrize("damage", [lambda flac: b"", lambda flac: b"\0" * 5000, lambda flac: flac[: len(flac) // 2]])
def test_damaged_mono_samples_are_none(damage: Callable[[bytes], bytes]) -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 10 * reference.RATE).astype(np.int16)
    assert reference.decode_mono(damage(reference.encode_mono(samples))) is None
