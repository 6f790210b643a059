"""Demucs: a bag of one or more networks, run by `overlap`.

Around the networks it does what the demucs command does (`demucs.api.Separator.separate_tensor`): the mean of both
channels is centred and scaled to a deviation of one, and the stems are scaled back. Mean and deviation are summed up
in double precision here, block by block, so they may differ from demucs in the last bits of a float.
"""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demixer.separation.engine import Device
from demixer.separation.models import ModelChoice
from demixer.separation.overlap import Mixture, Network, aligned
from demixer.separation.spool import Samples, Spool


class DemucsEngine:
    """`bag` is a `demucs.apply.BagOfModels`."""

    def __init__(self, choice: ModelChoice, bag: Any, device: Device) -> None:
        self.choice = choice
        self.device = device
        self.stems: tuple[str, ...] = tuple(bag.sources)
        self.sample_rate = int(bag.samplerate)
        self.channels = int(bag.audio_channels)
        self._factors: list[list[float]] = bag.weights
        self._networks = [Network(model, device) for model in bag.models]

    def steps(self, frames: int) -> int:
        return sum(len(network.chunks(frames)) for network in self._networks)

    def separate(self, mixture: Spool, tick: Callable[[], None]) -> Generator[Samples]:
        centred = Mixture(mixture, *_mean_and_deviation(mixture))
        streams = [network.blocks(centred, tick) for network in self._networks]
        for estimates in aligned(streams):
            yield (self._combined(estimates) * centred.deviation + centred.mean).numpy()

    def _combined(self, estimates: list[Tensor]) -> Tensor:
        """The weighted mean of what the networks say of each stem, in the order of sums of `apply_model`."""
        rows = torch.tensor(self._factors, dtype=torch.float64)[:, :, None, None].float()
        total = torch.zeros_like(estimates[0])
        for estimate, row in zip(estimates, rows, strict=True):
            total += estimate * row
        return total / torch.tensor(self._factors, dtype=torch.float64).sum(0)[:, None, None].float()


def _mean_and_deviation(mixture: Spool) -> tuple[Tensor, Tensor]:
    """Of the mean of the channels; the deviation with Bessel's correction, plus 1e-8 against silence, as in demucs."""
    mean = sum(_mono(block).sum(dtype=np.float64) for block in mixture.blocks()) / mixture.frames
    squares = sum(np.square(_mono(block) - mean).sum() for block in mixture.blocks())
    deviation = np.sqrt(squares / max(1, mixture.frames - 1))
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(deviation, dtype=torch.float32) + 1e-8


def _mono(block: Samples) -> NDArray[np.float64]:
    mono: NDArray[np.float64] = block.mean(axis=0, dtype=np.float64)
    return mono
