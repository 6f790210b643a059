import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from demixer.domain.errors import ConfigurationError
from demixer.runtime import settings
from demixer.runtime.settings import Settings
from demixer.separation import hub, preflight, weights
from tests import small_models


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "reachable", lambda name: False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-cache"))


def environment(tmp_path: Path, **environ: str) -> Settings:
    return settings.load({"DATA_DIR": str(tmp_path / "data"), **environ})


@pytest.mark.parametrize("model", ["htdemucs", "htdemucs_ft"])
def test_a_model_without_weights_is_worth_one_line(tmp_path: Path, model: str) -> None:
    warning = preflight.model_warning(environment(tmp_path, MODEL=model))
    assert warning.startswith(f"MODEL={model}: its weights are not on this server and cannot be fetched.")
    assert "\n" not in warning


@pytest.mark.parametrize("model", ["auto", "spleeter-2stems"])
def test_the_built_in_model_is_always_there(tmp_path: Path, model: str) -> None:
    assert preflight.model_warning(environment(tmp_path, MODEL=model)) == ""


def test_a_model_whose_weights_are_there_or_can_be_fetched_needs_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_models.save(tmp_path / "models", "htdemucs")
    there = environment(tmp_path, MODEL="htdemucs", MODELS_DIR=str(tmp_path / "models"))
    assert preflight.model_warning(there) == ""
    monkeypatch.setattr(hub, "reachable", lambda name: True)
    assert preflight.model_warning(environment(tmp_path, MODEL="htdemucs_ft")) == ""


@pytest.mark.parametrize("model", ["auto", "htdemucs"])
def test_a_muddle_in_the_weights_is_named(tmp_path: Path, model: str) -> None:
    path = next(small_models.save(tmp_path / "models", "htdemucs").glob("*.th"))
    path.with_name("htdemucs0-12345678.th").touch()
    muddled = environment(tmp_path, MODEL=model, MODELS_DIR=str(tmp_path / "models"))
    assert "more than once" in preflight.model_warning(muddled)


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_that_cannot_separate_says_what_to_install(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "installed", lambda: there)
    settings = environment(tmp_path, MODEL="htdemucs")
    preflight.check_model(settings)
    with nullcontext() if there else pytest.raises(ConfigurationError, match=r"pip install .*\[separation\]"):
        preflight.check_installed(settings)


def test_a_wrong_name_is_found_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MODEL: no model is called"):
        preflight.check_model(environment(tmp_path, MODEL="htdemocs"))


@pytest.mark.parametrize("setting", ["auto", "cpu"])
def test_what_is_always_there_is_not_looked_for(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LOOK", ("/does/not/exist",))
    preflight.check_device(setting)


@pytest.mark.parametrize(
    ("script", "hint"),
    [("print('cuda is not there'); sys.exit(1)", "cuda is not there"), ("sys.exit(-9)", "cuda could not be looked")],
)
def test_a_device_that_is_not_there_is_an_error(script: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LOOK", (sys.executable, "-c", f"import sys; {script}"))
    with pytest.raises(ConfigurationError, match=f"DEVICE: {hint}"):
        preflight.check_device("cuda")


def test_a_device_that_is_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LOOK", (sys.executable, "-c", "pass"))
    preflight.check_device("cuda")


@pytest.mark.slow
def test_the_real_look_says_what_the_separation_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigurationError, match="DEVICE: cuda was asked for, but torch finds no such device"):
        preflight.check_device("cuda")
