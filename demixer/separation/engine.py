"""What both separation engines are to the rest."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from demixer.separation.models import ModelChoice
from demixer.separation.spool import Samples, Spool


@dataclass(frozen=True, slots=True)
class Device:
    kind: str  # cpu, cuda, mps
    name: str  # for people: "CPU (2 cores)", "NVIDIA H200", "Apple GPU"


class Engine(Protocol):
    """A loaded model on a device. Used by one thread at a time."""

    choice: ModelChoice
    device: Device
    stems: tuple[str, ...]
    sample_rate: int  # Hz, of the mixture it wants and of the stems it gives
    channels: int

    def steps(self, frames: int) -> int:
        """How often `separate` calls `tick` for a mixture of that many frames."""

    def separate(self, mixture: Spool, tick: Callable[[], None]) -> Generator[Samples]:
        """The stems from the beginning to the end, in blocks of shape `(stems, channels, frames)`.

        Whatever `tick` raises comes through: that is how a separation is cancelled. Same mixture, same stems. Raises
        `SeparationFailed("out-of-memory")`.
        """


def cpu_name() -> str:
    """As shown to a person: "CPU (2 cores)"."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return "CPU (1 core)" if count == 1 else f"CPU ({count} cores)"
