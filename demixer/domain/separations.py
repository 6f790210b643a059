"""A separation: one run of one model with given parameters over one song; and its stems."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from demixer.domain.values import Failure


class SeparationState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """One source of a song. Its files lie at `<Separation.folder>/<name>.<format>`."""

    name: str
    peak: float  # of the model's output before `Separation.gain`, linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """One run of one model with given parameters over one song.

    `gain` is the one factor (linear, at most 1) that all stems were multiplied by when written so that none clips:
    the written stems sum to `gain` times what the model gave.
    """

    id: str
    song_id: str
    model: str
    requested_at: datetime
    updated_at: datetime
    state: SeparationState = SeparationState.REQUESTED
    attempt: int = 1
    progress: float = 0.0  # 0 to 1
    lease_owner: str = ""  # the member of the consumer group that is, or was last, at work on it
    device: str = ""  # as shown to a person: "CPU", "NVIDIA H200", "Apple GPU"
    seconds_left: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stems: tuple[Stem, ...] = ()
    gain: float = 1.0
    failure: Failure | None = None
    version: int = 0

    @property
    def folder(self) -> str:
        return f"songs/{self.song_id}/{self.id}"

    @property
    def is_open(self) -> bool:
        return self.state in (SeparationState.REQUESTED, SeparationState.RUNNING)

    def stem(self, name: str) -> Stem | None:
        return next((stem for stem in self.stems if stem.name == name), None)
