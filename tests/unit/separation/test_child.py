"""The real child process, with a small HTDemucs."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from demucs.apply import apply_model

from demixer.domain.errors import Cancelled, ModelUnavailable, Refused
from demixer.runtime import settings
from demixer.separation import child as child_module
from demixer.separation.worker import COMMAND, Progress, SeparationWorker
from tests import audio_samples, music, small_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.save(tmp_path_factory.mktemp("models"), "htdemucs")


@pytest.fixture(scope="module")
def worker(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeparationWorker]:
    data_dir = str(tmp_path_factory.mktemp("data"))
    worker = SeparationWorker(settings.load({"DATA_DIR": data_dir, "MODELS_DIR": str(models_dir), "DEVICE": "cpu"}))
    yield worker
    worker.close()


def song(tmp_path: Path, seconds: float) -> Path:
    """Music of five seconds, over and over."""
    samples = np.tile(audio_samples.music(5), (1, 1 + int(seconds / 5)))[:, : int(seconds * audio_samples.SAMPLE_RATE)]
    return audio_samples.write(tmp_path / "song.flac", samples, "-sample_fmt", "s16")


def test_the_stems_in_the_files_are_those_of_demucs(worker: SeparationWorker, tmp_path: Path) -> None:
    seen: list[Progress] = []
    source = song(tmp_path, 7.3)
    made = worker.separate(source, tmp_path / "out", "htdemucs", on_progress=seen.append, should_stop=lambda: False)
    model, mix = small_models.model(), torch.from_numpy(music.decoded(source))
    mean, deviation = mix.mean(0).mean(), mix.mean(0).std() + 1e-8
    expected = apply_model(model, ((mix - mean) / deviation)[None], shifts=0)[0] * deviation + mean
    assert tuple(stem.name for stem in made.stems) == tuple(model.sources)
    for stem, wanted in zip(made.stems, expected.numpy(), strict=True):
        np.testing.assert_allclose(music.decoded(tmp_path / "out" / f"{stem.name}.flac"), wanted * made.gain, atol=2e-6)
        assert stem.peak == pytest.approx(np.abs(wanted).max(), rel=1e-4)
    assert made.device.startswith("CPU")


def test_a_long_song_is_cancelled_at_the_next_chunk(worker: SeparationWorker, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with pytest.raises(Cancelled):
        worker.separate(
            song(tmp_path, 300),
            tmp_path / "out",
            "htdemucs",
            on_progress=seen.append,
            should_stop=lambda: bool(seen) and seen[-1].fraction > 0.05,
        )
    assert not (tmp_path / "out").exists()


def test_errors_reach_the_caller_and_the_child_goes_on(worker: SeparationWorker, tmp_path: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_text("no song" * 1000)
    with pytest.raises(Refused):
        worker.separate(text, tmp_path / "out", "htdemucs", on_progress=lambda _: None, should_stop=lambda: False)
    with pytest.raises(ModelUnavailable):
        worker.separate(text, tmp_path / "out", "nothing", on_progress=lambda _: None, should_stop=lambda: False)
    made = worker.separate(
        song(tmp_path, 5), tmp_path / "out", "spleeter-2stems", on_progress=lambda _: None, should_stop=lambda: False
    )
    assert made.model == "spleeter-2stems"


PARENT = """
import sys
from pathlib import Path
from demixer.runtime import settings
from demixer.separation.worker import SeparationWorker

def show(progress):
    print(worker._child._process.pid, progress.model or "-", flush=True)

worker = SeparationWorker(settings.load())
worker.separate(Path(sys.argv[1]), Path(sys.argv[2]), "htdemucs", on_progress=show, should_stop=lambda: False)
"""


def test_the_child_ends_when_its_parent_is_killed(models_dir: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "MODELS_DIR": str(models_dir), "DEVICE": "cpu"}
    command = [sys.executable, "-c", PARENT, str(song(tmp_path, 300)), str(tmp_path / "out")]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        line = next(line for line in parent.stdout if "htdemucs" in line)
        child = psutil.Process(int(line.split()[0]))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive
    assert not (tmp_path / "out").exists()


def test_at_a_terminal_an_error_nobody_foresaw_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        raise PermissionError(13, "Permission denied")
    except PermissionError:
        record = logging.LogRecord("child", logging.ERROR, __file__, 1, "it failed", None, sys.exc_info())
    assert (
        child_module._Terse("%(message)s").format(record) == "it failed\nPermissionError: [Errno 13] Permission denied"
    )


def test_ctrl_c_in_the_terminal_shows_nothing_of_the_child() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b'{"type": "separate", "job": 1, "source": "", "folder": "/nowhere", "model": "no", ')
        child.stdin.write(b'"models_dir": null, "device": "cpu"}\n')
        child.stdin.flush()
        assert b'"failed"' in child.stdout.readline()  # it listens, so its signal handler is in place
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=20)
    assert (child.returncode, out, errors) == (0, b"", b"")
