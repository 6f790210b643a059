"""Which worker is at work on a separation, and which may claim it: the processes of a group know nothing of each other.

The event of a separation goes to one member. Another one may be at work on it all the same: it helped out, or had the
partition before. So the catalogue says who runs what, and what nobody reports on any more is free again.
"""

import time
from collections.abc import Callable

from consumers.framework.consumer import Context, Stopped
from consumers.staleness import Staleness
from demixer.domain import Separation, SeparationState, Song
from demixer.domain.errors import Transient
from demixer.ports import Separations
from demixer.services.separations import SeparationQueue

EXPIRY_SECONDS = 12.0  # without a report of a running separation, which is reported on every second
HELP_AFTER = 3.0  # seconds that a separation waits before another than the owner of its event claims it
LOOK_SECONDS = 1.0


def is_at_work_elsewhere(
    separations: Separations, context: Context, separation_id: str, wait: Callable[[float], object] = time.sleep
) -> bool:
    """Whether another member reports on it. Waits until one does, or none did for `EXPIRY_SECONDS`. Raises `Stopped`.

    What this member itself ran last is free: names are never shared, so that was before a restart.
    """
    first = _running(separations, separation_id)
    if first is None or first.lease_owner == context.member:
        return False
    for _ in range(round(EXPIRY_SECONDS / LOOK_SECONDS)):
        wait(LOOK_SECONDS)
        if context.stopping():
            raise Stopped
        current = _running(separations, separation_id)
        if current is None or current.version != first.version:
            return current is not None
    return False


class Helper:
    """`help_out` of the `separate` consumer: claims the first of the queue that nobody comes to.

    The same attempt is tried once by this process. `separate` is what the owner of the event would do.
    """

    def __init__(
        self,
        separations: Separations,
        queue: SeparationQueue,
        separate: Callable[[Context, Separation, Song], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._separations, self._queue, self._separate = separations, queue, separate
        self._staleness = Staleness(clock)
        self._tried: set[tuple[str, int]] = set()

    def __call__(self, context: Context) -> None:
        for waiting in self._left_alone():
            claimed = self._queue.claim(waiting, context.member)
            if claimed is not None:
                self._tried.add((waiting.id, waiting.attempt))
                self._run(context, *claimed)
                return

    def _left_alone(self) -> list[Separation]:
        queue = self._separations.in_state([SeparationState.REQUESTED])
        seconds = self._staleness.of(queue)
        return [each for each in queue if seconds[each.id] >= HELP_AFTER and (each.id, each.attempt) not in self._tried]

    def _run(self, context: Context, separation: Separation, song: Song) -> None:
        """Its event may be used up: whoever had it saw us at work."""
        try:
            self._separate(context, separation, song)
        except (Transient, Stopped):
            self._queue.republish(separation)
            raise


def _running(separations: Separations, separation_id: str) -> Separation | None:
    found = separations.get(separation_id)
    return found if found and found.state is SeparationState.RUNNING else None
