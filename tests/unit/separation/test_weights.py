from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from demixer.domain.errors import ModelUnavailable
from demixer.separation import hub, loading, weights
from demixer.separation.models import choice_of
from tests import small_models
from tests.unit.separation.doubles import CPU


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(hub, "reachable", lambda name: False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def unavailable(name: str, folder: Path) -> str:
    """The reason that loading gives."""
    with pytest.raises(ModelUnavailable) as caught:
        loading.load(choice_of(name, folder), CPU, folder)
    assert caught.value.params["model"] == name
    return str(caught.value.params["reason"])


def weight_file(folder: Path) -> Path:
    (path,) = folder.glob("*.th")
    return path


def test_a_network_is_loaded_to_the_last_bit(tmp_path: Path) -> None:
    found = weights.find("htdemucs", small_models.save(tmp_path, "htdemucs"))
    assert found is not None
    (loaded,) = loading.load_bag(found).models
    for key, value in small_models.model().state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


def test_without_a_yaml_the_definition_of_demucs_is_used(tmp_path: Path) -> None:
    torch.save(small_models.package(small_models.model()), tmp_path / "955717e8.th")
    assert loading.load(choice_of("htdemucs", tmp_path), CPU, tmp_path).stems == tuple(small_models.FOUR)


def test_a_single_file_may_carry_the_name_of_the_model(tmp_path: Path) -> None:
    torch.save(small_models.package(small_models.model()), tmp_path / "my-own.th")
    assert loading.load(choice_of("my-own", tmp_path), CPU, tmp_path).stems == tuple(small_models.FOUR)


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    network = small_models.model()
    _, kwargs = network._init_args_kwargs
    settings = {**kwargs, "segment": {"_type": "fraction", "numerator": 1, "denominator": 1}}
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": str(settings).replace("'", '"')}
    save_file(network.state_dict(), tmp_path / "955717e8.safetensors", metadata)
    found = weights.find("htdemucs", tmp_path)
    assert found is not None
    (loaded,) = loading.load_bag(found).models
    assert torch.equal(next(loaded.parameters()), next(network.parameters()))


def test_what_torch_has_cached_is_found(nothing_cached: Path) -> None:
    assert weights.find("htdemucs", None) is None
    nothing_cached.mkdir(parents=True)
    (nothing_cached / "955717e8-8726e21a.th").touch()
    found = weights.find("htdemucs", None)
    assert found is not None
    assert found.files == (nothing_cached / "955717e8-8726e21a.th",)


def test_missing_weights_without_a_way_to_the_hub_are_said_to_be_missing(tmp_path: Path) -> None:
    assert unavailable("htdemucs", tmp_path) == weights.MISSING


def test_a_bag_with_one_file_missing_is_missing(tmp_path: Path) -> None:
    small_models.save_bag(tmp_path, "two", [small_models.small_htdemucs(1), small_models.small_htdemucs(2)])
    next(tmp_path.glob("two1-*.th")).unlink()
    assert unavailable("two", tmp_path) == weights.MISSING


def test_a_file_whose_checksum_differs_is_damaged(tmp_path: Path) -> None:
    path = weight_file(small_models.save(tmp_path, "htdemucs"))
    path.write_bytes(path.read_bytes()[:-1])
    assert unavailable("htdemucs", tmp_path) == weights.DAMAGED


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_package_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "955717e8.th").write_bytes(content)
    assert unavailable("htdemucs", tmp_path) == weights.DAMAGED


def test_a_package_that_would_run_code_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save({**small_models.package(small_models.model()), "training_args": _Touches(ran)}, tmp_path / "955717e8.th")
    assert unavailable("htdemucs", tmp_path) == weights.DAMAGED
    assert not ran.exists()


class _Touches:
    """A pickle of this touches a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_damaged_yaml_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("models: {")
    with pytest.raises(ModelUnavailable, match="damaged"):
        weights.definition("own", tmp_path)


def test_two_files_of_one_network_are_refused(tmp_path: Path) -> None:
    path = weight_file(small_models.save(tmp_path, "htdemucs"))
    path.with_name("htdemucs0-12345678.th").write_bytes(b"")
    with pytest.raises(ModelUnavailable, match="more than once"):
        weights.find("htdemucs", tmp_path)


def test_quantized_weights_without_their_package_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = small_models.package(small_models.model())
    torch.save({**package, "state": {"__quantized": True}}, tmp_path / "955717e8.th")
    assert unavailable("htdemucs", tmp_path) == weights.NEEDS_PACKAGE


def test_the_released_files_have_their_addresses() -> None:
    assert hub.legacy_url("955717e8").endswith("/demucs/hybrid_transformer/955717e8-8726e21a.th")
    assert weights.repository("htdemucs_ft") == "adefossez/HTDemucs-ft"
