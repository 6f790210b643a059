"""What is no song, or not quite: it ends in a stated way and joins nothing that it is not, though its like is here."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from demixer.domain import RelationType
from demixer.recognition.reference import RATE
from demixer.wiring import Services
from tests.audio_samples import Samples
from tests.consumers.bringing import SIXTEEN, Catalogue, song
from tests.wired import Clock, services_in

pytestmark = pytest.mark.thorough


@pytest.fixture
def catalogue(services: Services, clock: Clock, tmp_path: Path) -> Catalogue:
    return Catalogue(services, clock, tmp_path)


def white(seconds: float, seed: int, deviation: float = 0.1) -> Samples:
    return np.random.default_rng(seed).normal(0, deviation, (1, round(seconds * RATE))).astype(np.float32)


def tone(seconds: float, frequency: float, peak: float = 0.5) -> Samples:
    at = np.arange(round(seconds * RATE)) / RATE
    return (peak * np.sin(2 * np.pi * frequency * at)).astype(np.float32)[None]


def hum(seconds: float, frequency: float = 50) -> Samples:
    """Of the mains, at -59 dBFS: just not silent."""
    whole = sum((tone(seconds, frequency * over, 1 / over) for over in (1, 3, 5)), np.float32(0))
    return np.asarray(whole * (0.00112 / np.abs(whole).max()), np.float32)


def dither(seconds: float) -> Samples:
    random = np.random.default_rng(7)
    return (random.uniform(-1, 1, (1, round(seconds * RATE))) / 32768).astype(np.float32)


def looped(sound: Samples, seconds: float) -> Samples:
    return np.resize(sound[0], round(seconds * RATE))[None]


def first(sound: Samples, seconds: float) -> Samples:
    return sound[:, : round(seconds * RATE)]


NOISES = (white(150, 1), white(150, 2))
SONGS = (song(45, 1), song(45, 2))
REFUSED: Mapping[str, tuple[Samples, str]] = {
    "silence": (np.zeros((1, 40 * RATE), np.float32), "silent"),
    "dither": (dither(40), "silent"),
    "a hum at -61 dBFS": (hum(40) * np.float32(0.8), "silent"),
    "a jingle of 4 s": (song(4), "too-short"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_why(name: str, catalogue: Catalogue) -> None:
    sound, code = REFUSED[name]
    ended = catalogue.bring(name, sound)
    assert ended.failure
    assert (ended.failure.code, ended.song_id) == (code, None)


def test_two_hours_are_refused(clock: Clock, tmp_path: Path) -> None:
    """As soon as the limit is passed: tests/unit/audio/test_examine.py."""
    path = two_hours(tmp_path / "mix.wav")
    with services_in(tmp_path / "data", clock, max_minutes=1) as services:
        failure = Catalogue(services, clock, tmp_path).bring_file("two hours", path).failure
    assert failure
    assert failure.code == "too-long"


def two_hours(path: Path, rate: int = 2_000) -> Path:
    """A mix whose disk space nobody has to pay for."""
    size = 2 * 3600 * rate
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate, 1, 8)
    path.write_bytes(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size))
    with path.open("r+b") as file:
        file.truncate(size + 44)
    return path


def test_a_jingle_is_known_by_its_samples_alone(catalogue: Catalogue) -> None:
    jingle = song(20)
    catalogue.bring("jingle", jingle)
    assert catalogue.joined(catalogue.bring("flac", jingle, *SIXTEEN, suffix="flac")) == "jingle"
    other = catalogue.bring("mp3", jingle, "-b:a", "192k", suffix="mp3")
    assert (catalogue.joined(other), catalogue.relatives(other)) == ("mp3", {"jingle": RelationType.EDIT})


ALONE: Mapping[str, tuple[Samples, ...]] = {
    "a jingle of 6 s, and the song it begins": (SONGS[0], song(6, 2), first(SONGS[0], 6)),
    "tones": (SONGS[0], tone(40, 440), tone(40, 440, 0.05), tone(40, 523.25)),
    "hums at -59 dBFS": (SONGS[0], hum(40), hum(40, 60)),
    "short white noises": (SONGS[0], white(40, 1), white(40, 2)),
    "white noises": (SONGS[0], *NOISES),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_is_a_song_of_its_own_and_no_relative_of_any(name: str, catalogue: Catalogue) -> None:
    for number, sound in enumerate(ALONE[name]):
        ended = catalogue.bring(str(number), sound)
        assert (catalogue.joined(ended), catalogue.relatives(ended)) == (str(number), {})


@pytest.mark.parametrize("noise", [white(40, 1), NOISES[0]], ids=["short", "long"])
def test_a_copy_of_noise_without_loss_is_that_noise(noise: Samples, catalogue: Catalogue) -> None:
    catalogue.bring("noise", noise)
    assert catalogue.joined(catalogue.bring("copy", noise, *SIXTEEN, suffix="flac")) == "noise"


def test_halves_of_two_songs_are_an_edit_of_each(catalogue: Catalogue) -> None:
    for number, whole in enumerate(SONGS):
        catalogue.bring(str(number), whole)
    halves = catalogue.bring("halves", np.concatenate([first(whole, 30) for whole in SONGS], axis=1))
    assert catalogue.joined(halves) == "halves"
    assert catalogue.relatives(halves) == {"0": RelationType.EDIT, "1": RelationType.EDIT}


def test_a_loop_is_an_edit_of_the_song_it_was_cut_from_and_of_longer_ones(catalogue: Catalogue) -> None:
    loop = first(SONGS[0], 15)
    catalogue.bring("song", SONGS[0])
    catalogue.bring("other loop", looped(first(SONGS[1], 15), 60))
    short = catalogue.bring("short", looped(loop, 60))
    assert (catalogue.joined(short), catalogue.relatives(short)) == ("short", {"song": RelationType.EDIT})
    long = catalogue.bring("long", looped(loop, 75))
    assert (catalogue.joined(long), catalogue.relatives(long)["short"]) == ("long", RelationType.EDIT)


@pytest.mark.slow
def test_loops_of_ten_minutes_are_not_each_other(catalogue: Catalogue) -> None:
    loops = [looped(first(whole, 15), 600) for whole in SONGS]
    for number, loop in enumerate(loops):
        ended = catalogue.bring(str(number), loop)
        assert (catalogue.joined(ended), catalogue.relatives(ended)) == (str(number), {})
    assert catalogue.joined(catalogue.bring("copy", loops[0], *SIXTEEN, suffix="flac")) == "0"
