"""Stand-ins that the tests of separation share."""

from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demixer.separation.engine import Device
from demixer.separation.models import ModelChoice
from demixer.separation.spool import Samples, Spool

CPU = Device("cpu", "CPU (test)")


def noise(frames: int, *, level: float = 0.1, seed: int = 3) -> Samples:
    """Shape `(2, frames)`, with a constant offset, so that a lost mean would show."""
    rng = np.random.default_rng(seed)
    sound: NDArray[np.float32] = (rng.standard_normal((2, frames)) * level + 0.01).astype(np.float32)
    return sound


def spooled(folder: Path, samples: Samples) -> Spool:
    spool = Spool(folder, len(samples))
    spool.append(samples)
    return spool


def falcon() -> Path:
    """The real mixture with four real stems that `stempeg` ships. Importing stempeg itself would ask for ffprobe."""
    spec = find_spec("stempeg")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "The Easton Ellises - Falcon 69.stem.mp4"


class HalvingEngine:
    """Two stems: `factors` times the mixture, in blocks of a second."""

    choice = ModelChoice("halving", "halving;1", ("left", "right"), "")
    device = CPU
    stems: tuple[str, ...] = ("left", "right")
    sample_rate = 44100
    channels = 2

    def __init__(self, *factors: float) -> None:
        self.factors = np.array(factors or (0.5, 0.5), dtype=np.float32)[:, None, None]

    def steps(self, frames: int) -> int:
        return -(-frames // self.sample_rate)

    def separate(self, mixture: Spool, tick: Callable[[], None]) -> Generator[Samples]:
        for start in range(0, mixture.frames, self.sample_rate):
            block = mixture.read(start, min(start + self.sample_rate, mixture.frames))
            tick()
            yield self.factors * block
