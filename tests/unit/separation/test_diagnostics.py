from pathlib import Path

import pytest

from demixer.runtime import settings
from demixer.separation import hub
from demixer.separation.diagnostics import Diagnostic, findings
from tests import small_models


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "reachable", lambda name: False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-cache"))


def found(tmp_path: Path, **environ: str) -> list[Diagnostic]:
    return findings(settings.load({"DATA_DIR": str(tmp_path / "data"), "DEVICE": "cpu", **environ}))


def test_it_names_the_device_the_model_and_the_files(tmp_path: Path) -> None:
    small_models.save(tmp_path / "models", "htdemucs")
    device, model = found(tmp_path, MODELS_DIR=str(tmp_path / "models"))
    assert device.ok
    assert "CPU (" in device.text
    assert model.ok
    assert "htdemucs" in model.text
    assert str(next((tmp_path / "models").glob("*.th"))) in model.text


def test_without_weights_it_says_which_files_to_put_where(tmp_path: Path) -> None:
    _, model, more = found(tmp_path)
    assert "spleeter-2stems" in model.text
    assert "955717e8-8726e21a.th" in more.hint
    assert "955717e8.safetensors" in more.hint
    assert "MODELS_DIR" in more.hint


def test_a_model_asked_for_by_name_whose_weights_are_nowhere_is_a_finding(tmp_path: Path) -> None:
    _, model = found(tmp_path, MODEL="htdemucs_ft")
    assert not model.ok
    assert "cannot be fetched" in model.text
    assert "demixer check" not in model.text  # who reads this has run it
    assert model.hint.count(".th") == 4


def test_weights_that_would_be_fetched_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "reachable", lambda name: True)
    _, model = found(tmp_path)
    assert model == Diagnostic(True, "model htdemucs; its weights will be fetched with the first song")


def test_damaged_weights_are_a_finding_that_names_the_file(tmp_path: Path) -> None:
    path = next(small_models.save(tmp_path / "models", "htdemucs").glob("*.th"))
    path.write_bytes(b"damaged")
    _, model = found(tmp_path, MODELS_DIR=str(tmp_path / "models"))
    assert not model.ok
    assert "damaged" in model.text
    assert path.name in model.hint


@pytest.mark.parametrize("environ", [{"MODEL": "nonsense"}, {"DEVICE": "mps"}])
def test_a_wrong_setting_is_a_finding(tmp_path: Path, environ: dict[str, str]) -> None:
    assert not all(finding.ok for finding in found(tmp_path, **environ))
