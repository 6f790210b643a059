from pathlib import Path

import pytest

from demixer.domain.errors import ConfigurationError, ModelUnavailable
from demixer.runtime import settings
from demixer.separation import hub, models, weights
from demixer.separation.models import better_than
from tests import small_models


def environment(tmp_path: Path, **environ: str) -> settings.Settings:
    return settings.load({"DATA_DIR": str(tmp_path / "data"), **environ})


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "reachable", lambda name: False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-cache"))


def test_auto_takes_the_built_in_model_without_weights_and_without_a_way_to_the_hub(tmp_path: Path) -> None:
    choice = models.resolve(environment(tmp_path))
    assert (choice.name, choice.stems) == ("spleeter-2stems", ("vocals", "accompaniment"))
    assert choice.four_stems_need == "htdemucs"


def test_auto_takes_htdemucs_when_its_weights_are_in_models_dir(tmp_path: Path) -> None:
    small_models.save(tmp_path / "models", "htdemucs")
    choice = models.resolve(environment(tmp_path, MODELS_DIR=str(tmp_path / "models")))
    assert (choice.name, choice.four_stems_need) == ("htdemucs", "")
    assert choice.stems == ("drums", "bass", "other", "vocals")


def test_auto_takes_htdemucs_when_the_hub_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "reachable", lambda name: name == "htdemucs")
    assert models.resolve(environment(tmp_path)).name == "htdemucs"


@pytest.mark.parametrize(
    "name", ["htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx", "mdx_extra_q", "955717e8"]
)
def test_every_name_that_demucs_knows_is_a_model(tmp_path: Path, name: str) -> None:
    assert models.resolve(environment(tmp_path, MODEL=name)).name == name


@pytest.mark.parametrize("name", ["htdemocs", "../../etc/passwd", "hf://somebody/model", "*"])
def test_an_unknown_name_is_an_error_that_names_the_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="MODEL: no model is called"):
        models.resolve(environment(tmp_path, MODEL=name))


def test_a_muddle_in_models_dir_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = next(small_models.save(tmp_path / "models", "htdemucs").glob("*.th"))
    path.with_name("htdemucs0-12345678.th").touch()
    with pytest.raises(
        ConfigurationError, match=r"MODELS_DIR: .*more than once: htdemucs0-12345678\.th and htdemucs0-"
    ):
        models.resolve(environment(tmp_path, MODELS_DIR=str(tmp_path / "models")))


def test_where_nothing_separates_the_model_is_taken_at_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "installed", lambda: False)
    chosen = [models.resolve(environment(tmp_path, MODEL=name)) for name in ("htdemucs", "my-own")]
    assert [(each.name, each.stems) for each in chosen] == [
        ("htdemucs", ("drums", "bass", "other", "vocals")),
        ("my-own", ()),
    ]


def test_where_nothing_separates_auto_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "installed", lambda: False)
    with pytest.raises(ConfigurationError, match=r"MODEL: auto .* Name the model"):
        models.resolve(environment(tmp_path))


def test_an_unknown_name_in_a_request_is_a_model_that_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable, match="no model has this name"):
        models.choice_of("htdemocs", None)


def test_the_parameters_name_the_weights(tmp_path: Path) -> None:
    assert models.choice_of("htdemucs", None).parameters == "htdemucs;955717e8;overlap=0.25;shifts=0"
    small_models.save(tmp_path, "htdemucs")
    assert models.choice_of("htdemucs", tmp_path).parameters != models.choice_of("htdemucs", None).parameters


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        ("htdemucs", "spleeter-2stems", True),
        ("spleeter-2stems", "htdemucs", False),
        ("htdemucs", "hdemucs_mmi", True),
        ("htdemucs_ft", "htdemucs", True),
        ("htdemucs", "htdemucs_ft", False),
        ("htdemucs", "htdemucs", False),
        ("htdemucs_6s", "spleeter-2stems", True),
        ("htdemucs_ft", "htdemucs_6s", False),  # it would take guitar and piano away
        ("htdemucs_6s", "htdemucs", False),  # its four common stems are worse
        ("my-own", "spleeter-2stems", True),
        ("my-own", "htdemucs", False),
        ("spleeter-2stems", "spleeter-2stems", False),
    ],
)
def test_a_better_model_ranks_higher_and_takes_no_stem_away(one: str, other: str, better: bool) -> None:
    assert better_than(one, other) is better
