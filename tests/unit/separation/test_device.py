import pytest
import torch

from demixer.domain.errors import ConfigurationError, SeparationFailed
from demixer.separation import device


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    chosen = device.choose("auto")
    assert chosen.kind == "cpu"
    assert chosen.name.startswith("CPU (")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_asked_for_by_name_is_never_replaced_silently(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DEVICE: {kind} was asked for"):
        device.choose(kind)


@pytest.mark.usefixtures("no_gpu")
def test_as_a_program_it_prints_the_name_or_the_reason_and_gives_an_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (device.main("cpu"), capsys.readouterr().out) == (0, device.choose("cpu").name)
    assert device.main("cuda") == 1
    assert capsys.readouterr().out.startswith("cuda was asked for")


def test_a_lack_of_memory_is_an_error_that_names_the_device() -> None:
    with pytest.raises(SeparationFailed, match="out-of-memory"), device.memory_watched(device.choose("cpu")):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="other"), device.memory_watched(device.choose("cpu")):
        raise RuntimeError("other")


def test_auto_leaves_a_gpu_alone_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, device: str) -> torch.Tensor:
        raise RuntimeError(f"no kernel image is available for execution on the {device}")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", broken)
    assert device.choose("auto").kind == "cpu"


def test_a_gpu_that_works_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(torch, "ones", lambda *_, device: torch.tensor([1.0, 1.0]))
    assert device.choose("auto").name == "NVIDIA H200"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("The size of tensor a must match"), False),
    ],
)
def test_running_out_of_memory_is_distinguished_from_other_errors(error: RuntimeError, expected: bool) -> None:
    assert device.is_out_of_memory(error) is expected
