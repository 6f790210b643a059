import errno
import json
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from demixer.domain.errors import Cancelled, Refused, SeparationFailed, StorageFull
from demixer.separation import separate
from demixer.separation.separate import Made, separate_file
from demixer.separation.spool import Samples, Spool
from tests import audio_samples, music
from tests.unit.separation.doubles import HalvingEngine

SECONDS = 6


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return audio_samples.write(tmp_path / "song.wav", audio_samples.tone(SECONDS, peak=0.8), "-c:a", "pcm_f32le")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def never() -> bool:
    return False


def run(
    song: Path, out: Path, engine: HalvingEngine, cancelled: Callable[[], bool] = never
) -> tuple[Made, list[float]]:
    reports: list[float] = []
    return separate_file(song, out, engine, report=reports.append, cancelled=cancelled), reports


def stem(out: Path, name: str) -> Samples:
    samples: Samples = music.decoded(out / name)
    return samples


def test_every_stem_is_written_with_its_waveform_and_nothing_else(song: Path, out: Path) -> None:
    made, _ = run(song, out, HalvingEngine())
    expected = {f"{name}.{ending}" for name in ("left", "right") for ending in ("flac", "mp3", "json")}
    assert {path.name for path in out.iterdir()} == expected
    assert (made.model, made.device, made.duration) == ("halving", "CPU (test)", SECONDS)
    waveform = json.loads((out / "left.json").read_text())
    assert waveform["duration"] == SECONDS
    assert max(waveform["points"]) == round(0.4 * 255)


def test_quiet_stems_are_written_as_they_are(song: Path, out: Path) -> None:
    made, _ = run(song, out, HalvingEngine(0.75, 0.25))
    assert made.gain == 1.0
    assert [round(stem.peak, 3) for stem in made.stems] == [0.6, 0.2]
    total = stem(out, "left.flac") + stem(out, "right.flac")
    np.testing.assert_allclose(total, music.decoded(song), atol=2**-22)


def test_one_gain_for_all_stems_keeps_a_loud_one_from_clipping(song: Path, out: Path) -> None:
    made, _ = run(song, out, HalvingEngine(2.5, -1.5))
    assert made.gain == pytest.approx(0.99 / 2.0, rel=1e-3)
    assert np.abs(stem(out, "left.flac")).max() == pytest.approx(0.99, abs=1e-4)
    total = stem(out, "left.flac") + stem(out, "right.flac")
    np.testing.assert_allclose(total, made.gain * music.decoded(song), atol=2**-21)


def test_the_same_song_gives_the_same_files(song: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(song, tmp_path / name, HalvingEngine())
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_progress_rises_from_decoding_to_one(song: Path, out: Path) -> None:
    _, reports = run(song, out, HalvingEngine())
    assert reports == sorted(reports)
    assert reports[0] == separate.DECODED
    assert reports[-1] == 1.0
    assert len(reports) > SECONDS


@pytest.mark.parametrize("asks", range(1, 11, 3))
def test_cancelling_at_any_time_leaves_nothing_behind(song: Path, out: Path, asks: int) -> None:
    answers = iter([False] * asks + [True] * 100)
    with pytest.raises(Cancelled):
        run(song, out, HalvingEngine(), lambda: next(answers))
    assert not out.exists()


def test_files_from_before_survive_a_failure_and_are_replaced_by_a_success(song: Path, out: Path) -> None:
    out.mkdir()
    (out / "left.flac").write_bytes(b"before")
    (out / "notes.txt").write_bytes(b"mine")
    with pytest.raises(Cancelled):
        run(song, out, HalvingEngine(), lambda: True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"left.flac": b"before", "notes.txt": b"mine"}
    run(song, out, HalvingEngine())
    assert (out / "left.flac").read_bytes() != b"before"
    assert (out / "notes.txt").read_bytes() == b"mine"


def test_a_file_that_is_no_audio_is_refused_and_leaves_nothing_behind(tmp_path: Path, out: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_bytes(b"%PDF-1.4 no song at all" * 100)
    with pytest.raises(Refused):
        run(text, out, HalvingEngine())
    assert not out.exists()


def test_an_engine_that_fails_leaves_nothing_behind(song: Path, out: Path) -> None:
    class Failing(HalvingEngine):
        def separate(self, mixture: Spool, tick: Callable[[], None]) -> Generator[Samples]:
            yield mixture.read(0, 44100)[None].repeat(2, axis=0)
            raise SeparationFailed("out-of-memory", device="a toaster")

    with pytest.raises(SeparationFailed, match="toaster"):
        run(song, out, Failing())
    assert not out.exists()


def test_a_full_disk_is_said_to_be_full(song: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(spool: Spool, block: Samples) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Spool, "append", full)
    with pytest.raises(StorageFull):
        run(song, out, HalvingEngine())
    assert not out.exists()


def test_a_spool_gives_back_what_went_in(tmp_path: Path) -> None:
    samples = np.arange(20, dtype=np.float32).reshape(2, 10)
    with Spool(tmp_path, 2) as spool:
        for part in (samples[:, :3], samples[:, 3:3], samples[:, 3:]):
            spool.append(part)
        assert spool.frames == 10
        assert np.array_equal(spool.read(2, 7), samples[:, 2:7])
        assert np.array_equal(np.concatenate(list(spool.blocks()), axis=1), samples)
        assert list(tmp_path.iterdir()) == []  # it has no name that a killed process could leave behind
