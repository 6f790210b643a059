import threading
from pathlib import Path

import pytest
from huggingface_hub import constants

from demixer.domain.errors import ModelUnavailable
from demixer.separation import hub, weights


@pytest.fixture(autouse=True)
def asked_afresh() -> None:
    hub.reachable.cache_clear()


def refuse(name: str) -> None:
    raise OSError("no route")


def answer(name: str) -> None:
    return None


def test_one_answer_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_ask_hub", refuse)
    monkeypatch.setattr(hub, "_ask_legacy", answer)
    assert hub.reachable("htdemucs")


def test_two_refusals_are_a_no_that_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_ask_hub", refuse)
    monkeypatch.setattr(hub, "_ask_legacy", refuse)
    assert not hub.reachable("htdemucs")
    monkeypatch.setattr(hub, "_ask_hub", answer)
    assert not hub.reachable("htdemucs")


def test_a_net_that_never_answers_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(hub, "_ask_hub", lambda name: never.wait(30))
    monkeypatch.setattr(hub, "_ask_legacy", lambda name: never.wait(30))
    monkeypatch.setattr(hub, "PATIENCE", 0.1)
    assert not hub.reachable("htdemucs")
    never.set()


def test_an_offline_setting_of_the_hub_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_ask_legacy", answer)
    assert not hub.reachable("htdemucs")


def test_what_the_hub_has_not_comes_from_the_older_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise FileNotFoundError("no such entry")

    def deliver(url: str, target: str, *, hash_prefix: str, progress: bool) -> None:
        assert (url, hash_prefix) == (hub.legacy_url("955717e8"), "8726e21a")
        Path(target).write_bytes(b"weights")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "reachable", lambda name: True)
    monkeypatch.setattr(hub, "hf_hub_download", nothing)
    monkeypatch.setattr("torch.hub.download_url_to_file", deliver)
    found = hub.fetch(weights.definition("htdemucs", None), None)
    assert [path.read_bytes() for path in found.files] == [b"weights"]


def test_a_download_that_fails_everywhere_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("reset by peer")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "reachable", lambda name: True)
    monkeypatch.setattr(hub, "hf_hub_download", fail)
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(ModelUnavailable, match="cannot be fetched"):
        hub.fetch(weights.definition("htdemucs", None), None)


def test_a_download_shows_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), hub.LoggedProgress(total=200, desc="955717e8.safetensors") as progress:
        progress.update(200)
        progress.refresh()
    assert "955717e8.safetensors: 200 of 200 bytes" in caplog.text
