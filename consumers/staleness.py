"""How long something stayed as it is, by this process's own clock: those of several machines may differ by hours."""

import time
from collections.abc import Callable, Sequence

from demixer.domain import Separation, Upload


class Staleness:
    """Watches versions: whatever happens to an aggregate gives it a new one. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[int, float]] = {}  # id: version, when it was first seen

    def of(self, aggregates: Sequence[Upload] | Sequence[Separation]) -> dict[str, float]:
        """Seconds by id since each was first seen as it is now. Those that are not given any more are forgotten."""
        now = self._clock()
        self._since = {each.id: self._seen(each, now) for each in aggregates}
        return {id_: now - since for id_, (_, since) in self._since.items()}

    def _seen(self, aggregate: Upload | Separation, now: float) -> tuple[int, float]:
        known = self._since.get(aggregate.id)
        return known if known and known[0] == aggregate.version else (aggregate.version, now)
