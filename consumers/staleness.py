"""How long a value has not changed, by this process's own clock: the clocks of several machines may differ by hours."""

import time
from collections.abc import Callable, Sequence

from demixer.domain import Separation, Upload


class Staleness:
    """Notes when it first saw the version of each aggregate: every change gives it a new one. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_seen: dict[str, tuple[int, float]] = {}  # by id: version, when

    def of(self, aggregates: Sequence[Upload] | Sequence[Separation]) -> dict[str, float]:
        """Seconds by id since each was first seen in its present version. All others are forgotten."""
        now, before = self._clock(), self._first_seen
        self._first_seen = {
            each.id: before[each.id]
            if each.id in before and before[each.id][0] == each.version
            else (each.version, now)
            for each in aggregates
        }
        return {id_: now - since for id_, (_, since) in self._first_seen.items()}
