"""Work that no event asks for: done every so often, with the same `run` and `stop` as a loop."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demixer.domain.errors import Transient
from demixer.runtime import logs

STUCK_SECONDS = 900.0  # at the chores of one turn: a store with very many files takes minutes to look through

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """`work` is done first at the start, then every `seconds`. Doing it in two processes at once must do no harm."""

    name: str
    seconds: float
    work: Callable[[], None]


class Timer:
    """Does each chore when it is due. `clock` in seconds."""

    def __init__(self, name: str, chores: Sequence[PeriodicTask], clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._chores, self._clock = chores, clock
        self._due = dict.fromkeys((chore.name for chore in chores), clock())
        self._came_round = clock()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`. Raises what a chore raises, except `Transient`: that one is tried again when it is next due."""
        while not self._stopping.is_set():
            self._run_once()
            self._stopping.wait(max(0.0, min(self._due.values()) - self._clock()))

    def stop(self) -> None:
        self._stopping.set()

    @property
    def stuck(self) -> bool:
        """May be asked from any thread."""
        return self._clock() - self._came_round > STUCK_SECONDS

    def _run_once(self) -> None:
        self._came_round = self._clock()
        for chore in self._chores:
            if self._due[chore.name] <= self._clock() and not self._stopping.is_set():
                self._do(chore)

    def _do(self, chore: PeriodicTask) -> None:
        self._due[chore.name] = self._clock() + chore.seconds
        with logs.about(consumer=self.name):
            try:
                chore.work()
            except Transient as error:
                log.warning("%s: %s has to wait: %s", self.name, chore.name, error)
