"""What is no song, or not quite: it ends in a stated way, and does not join a song that is only like it."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from demixer.domain import RelationType
from demixer.recognition.reference import RATE
from demixer.wiring import Services
from tests.audio_samples import Samples
from tests.consumers.song_pipeline import SIXTEEN, SongPipeline, song
from tests.wired import Clock, services_in

pytestmark = pytest.mark.thorough


@pytest.fixture
def pipeline(services: Services, clock: Clock, tmp_path: Path) -> SongPipeline:
    return SongPipeline(services, clock, tmp_path)


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
def test_it_is_refused_with_why(name: str, pipeline: SongPipeline) -> None:
    sound, code = REFUSED[name]
    ended = pipeline.process(name, sound)
    assert ended.failure
    assert (ended.failure.code, ended.song_id) == (code, None)


def test_two_hours_are_refused(clock: Clock, tmp_path: Path) -> None:
    """As soon as the limit is passed: tests/unit/audio/test_decoding.py."""
    path = two_hours(tmp_path / "mix.wav")
    with services_in(tmp_path / "data", clock, max_minutes=1) as services:
        failure = SongPipeline(services, clock, tmp_path).process_file("two hours", path).failure
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


def test_a_jingle_is_known_by_its_samples_alone(pipeline: SongPipeline) -> None:
    jingle = song(20)
    pipeline.process("jingle", jingle)
    assert pipeline.joined(pipeline.process("flac", jingle, *SIXTEEN, suffix="flac")) == "jingle"
    other = pipeline.process("mp3", jingle, "-b:a", "192k", suffix="mp3")
    assert (pipeline.joined(other), pipeline.relations(other)) == ("mp3", {"jingle": RelationType.EDIT})


ALONE: Mapping[str, tuple[Samples, ...]] = {
    "a jingle of 6 s, and the song it begins": (SONGS[0], song(6, 2), first(SONGS[0], 6)),
    "tones": (SONGS[0], tone(40, 440), tone(40, 440, 0.05), tone(40, 523.25)),
    "hums at -59 dBFS": (SONGS[0], hum(40), hum(40, 60)),
    "short white noises": (SONGS[0], white(40, 1), white(40, 2)),
    "white noises": (SONGS[0], *NOISES),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_is_a_song_of_its_own_related_to_none(name: str, pipeline: SongPipeline) -> None:
    for number, sound in enumerate(ALONE[name]):
        ended = pipeline.process(str(number), sound)
        assert (pipeline.joined(ended), pipeline.relations(ended)) == (str(number), {})


@pytest.mark.parametrize("noise", [white(40, 1), NOISES[0]], ids=["short", "long"])
def test_a_copy_of_noise_without_loss_is_that_noise(noise: Samples, pipeline: SongPipeline) -> None:
    pipeline.process("noise", noise)
    assert pipeline.joined(pipeline.process("copy", noise, *SIXTEEN, suffix="flac")) == "noise"


def test_halves_of_two_songs_are_an_edit_of_each(pipeline: SongPipeline) -> None:
    for number, whole in enumerate(SONGS):
        pipeline.process(str(number), whole)
    halves = pipeline.process("halves", np.concatenate([first(whole, 30) for whole in SONGS], axis=1))
    assert pipeline.joined(halves) == "halves"
    assert pipeline.relations(halves) == {"0": RelationType.EDIT, "1": RelationType.EDIT}


def test_a_loop_is_an_edit_of_the_song_it_was_cut_from_and_of_longer_ones(pipeline: SongPipeline) -> None:
    loop = first(SONGS[0], 15)
    pipeline.process("song", SONGS[0])
    pipeline.process("other loop", looped(first(SONGS[1], 15), 60))
    short = pipeline.process("short", looped(loop, 60))
    assert (pipeline.joined(short), pipeline.relations(short)) == ("short", {"song": RelationType.EDIT})
    long = pipeline.process("long", looped(loop, 75))
    assert (pipeline.joined(long), pipeline.relations(long)["short"]) == ("long", RelationType.EDIT)


@pytest.mark.slow
def test_loops_of_ten_minutes_are_not_each_other(pipeline: SongPipeline) -> None:
    loops = [looped(first(whole, 15), 600) for whole in SONGS]
    for number, loop in enumerate(loops):
        ended = pipeline.process(str(number), loop)
        assert (pipeline.joined(ended), pipeline.relations(ended)) == (str(number), {})
    assert pipeline.joined(pipeline.process("copy", loops[0], *SIXTEEN, suffix="flac")) == "0"
