"""What a separation worker can do, as it says itself."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationWorker:
    """One member of the consumer group `separate`. `model` is "" where it can run none; `problem` says why."""

    id: str  # its member name in the consumer group
    model: str  # which it runs for new songs: `htdemucs`, `spleeter-2stems`
    stems: tuple[str, ...]  # that this model makes
    device: str  # as shown to a person: "CPU", "NVIDIA H200"
    licence: str  # of the model's weights: "MIT"
    updated_at: datetime
    problem: str = ""  # in English, as `demixer check` prints it
