from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model

from demixer.domain.errors import Cancelled, SeparationFailed
from demixer.separation import device, overlap
from demixer.separation.demucs_engine import DemucsEngine
from demixer.separation.engine import Device
from demixer.separation.models import ModelChoice
from demixer.separation.overlap import Mixture, Network
from demixer.separation.spool import Samples
from tests import small_models
from tests.unit.separation.doubles import CPU, noise, spooled

CHOICE = ModelChoice("small", "small;1", (), "")
SECOND = 44100
STRIDE = 33075  # of the small HTDemucs: three quarters of its second


def single() -> Any:
    return BagOfModels([small_models.small_htdemucs()])


def fine_tuned() -> Any:
    """Each network for the stems it knows best, as htdemucs_ft."""
    return BagOfModels([small_models.small_htdemucs(1), small_models.small_htdemucs(2)], [[1, 1, 0, 0], [0, 0, 1, 1]])


def mixed() -> Any:
    """Networks of different segments, strides and padding, of uneven weight, as in mdx."""
    return BagOfModels([small_models.small_htdemucs(), small_models.small_hdemucs()], [[1, 1, 0, 0.3], [0.5, 1, 1, 1]])


def shortened() -> Any:
    return BagOfModels([small_models.small_hdemucs()], None, 1.7)


def nothing() -> None:
    return None


def separated(tmp_path: Path, bag: Any, samples: Samples, tick: Callable[[], None] = nothing) -> Samples:
    with spooled(tmp_path, samples) as mixture:
        blocks = list(DemucsEngine(CHOICE, bag, CPU).separate(mixture, tick))
    return np.concatenate(blocks, axis=-1)


def by_demucs(bag: Any, samples: Samples) -> torch.Tensor:
    """As `demucs.api.Separator.separate_tensor`, that is as the demucs command with `--shifts 0`."""
    mix = torch.from_numpy(samples)
    mean, deviation = mix.mean(0).mean(), mix.mean(0).std() + 1e-8
    stems = apply_model(bag, ((mix - mean) / deviation)[None], shifts=0, split=True, overlap=0.25)[0]
    assert isinstance(stems, torch.Tensor)
    return stems * deviation + mean


@pytest.mark.parametrize("bag", [single, fine_tuned, mixed, shortened])
@pytest.mark.parametrize("frames", [1000, 2 * SECOND + 777])
def test_the_stems_are_those_of_demucs(tmp_path: Path, bag: Callable[[], Any], frames: int) -> None:
    samples = noise(frames)
    expected = by_demucs(bag(), samples)
    got = torch.from_numpy(separated(tmp_path, bag(), samples))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("frames", [SECOND, STRIDE, STRIDE + 1, 2 * STRIDE - 1])
def test_the_stems_are_those_of_demucs_at_the_edges_of_chunks(tmp_path: Path, frames: int) -> None:
    samples = noise(frames)
    got = torch.from_numpy(separated(tmp_path, single(), samples))
    torch.testing.assert_close(got, by_demucs(single(), samples), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bag", [single, mixed])
def test_on_a_cpu_the_sums_are_equal_to_the_last_bit(tmp_path: Path, bag: Callable[[], Any]) -> None:
    network = bag().models[-1]
    samples = noise(SECOND + 4321)
    with spooled(tmp_path, samples) as mixture:
        plain = Mixture(mixture, torch.tensor(0.0), torch.tensor(1.0))
        got = torch.cat(list(Network(network, CPU).blocks(plain, nothing)), dim=-1)
    assert torch.equal(got, apply_model(network, torch.from_numpy(samples)[None], shifts=0)[0])


def test_the_same_song_gives_the_same_stems(tmp_path: Path) -> None:
    samples = noise(2 * SECOND)
    assert np.array_equal(separated(tmp_path, single(), samples), separated(tmp_path, single(), samples))


def test_silence_stays_finite(tmp_path: Path) -> None:
    assert np.isfinite(separated(tmp_path, single(), np.zeros((2, SECOND), np.float32))).all()


def test_it_ticks_as_often_as_it_said(tmp_path: Path) -> None:
    ticks: list[None] = []
    frames = 2 * SECOND
    separated(tmp_path, mixed(), noise(frames), lambda: ticks.append(None))
    assert len(ticks) == DemucsEngine(CHOICE, mixed(), CPU).steps(frames)


def test_what_tick_raises_ends_it(tmp_path: Path) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        separated(tmp_path, single(), noise(SECOND), stop)


class Greedy:
    """A network that gives its input back as one stem, on a device that holds `fits` chunks."""

    samplerate, segment = 1000, 1.0

    def __init__(self, fits: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.fits, self.error = fits, error
        self.batches: list[int] = []

    def to(self, device: str) -> "Greedy":
        return self

    def eval(self) -> "Greedy":
        return self

    def valid_length(self, length: int) -> int:
        return 1000

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > self.fits:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.batches.append(len(batch))
        return batch[:, None]


def run_on_a_small_gpu(tmp_path: Path, model: Greedy, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Samples are handed back unchanged, so the result must be the mixture."""
    emptied: list[Device] = []
    monkeypatch.setattr(device, "free_bytes", lambda _: 100 * overlap.BYTES_PER_SECOND)
    monkeypatch.setattr(device, "empty_cache", emptied.append)
    samples = noise(20_500)
    with spooled(tmp_path, samples) as mixture:
        plain = Mixture(mixture, torch.tensor(0.0), torch.tensor(1.0))
        got = torch.cat(list(Network(model, CPU).blocks(plain, nothing)), dim=-1)
    torch.testing.assert_close(got[0], torch.from_numpy(samples))
    assert bool(emptied) == (model.fits < overlap.MAX_BATCH)
    return got


@pytest.mark.parametrize(("fits", "batch"), [(8, 8), (7, 4), (3, 2), (1, 1)])
def test_a_device_with_too_little_memory_gets_smaller_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int, batch: int
) -> None:
    model = Greedy(fits)
    run_on_a_small_gpu(tmp_path, model, monkeypatch)
    assert sum(model.batches) == 28  # chunks in 20.5 s, 0.75 s apart: none lost, none done twice
    assert max(model.batches) == batch


def test_a_chunk_that_does_not_fit_alone_is_an_error_that_names_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SeparationFailed) as caught:
        run_on_a_small_gpu(tmp_path, Greedy(0), monkeypatch)
    assert (caught.value.code, caught.value.params) == ("out-of-memory", {"device": CPU.name})


def test_other_errors_of_a_network_are_not_taken_for_want_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Greedy):
        def __call__(self, batch: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_on_a_small_gpu(tmp_path, Broken(1), monkeypatch)
