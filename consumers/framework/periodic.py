"""Work that no event asks for: done every so often, with the same `run` and `stop` as a loop."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demixer.domain.errors import Transient
from demixer.runtime import logs

STUCK_SECONDS = 900.0  # for the tasks that are due at once: to go through a store with very many files takes minutes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """`work` is done first at the start, then every `seconds`. Doing it in two processes at once must do no harm."""

    name: str
    seconds: float
    work: Callable[[], None]


class Timer:
    """Does each task when it is due. `clock` in seconds."""

    def __init__(self, name: str, tasks: Sequence[PeriodicTask], clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._tasks, self._clock = tasks, clock
        self._due = dict.fromkeys((task.name for task in tasks), clock())
        self._last_run_at = clock()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`. Raises what a task raises, except `Transient`: that task is tried again when it is next due."""
        while not self._stopping.is_set():
            self._run_once()
            self._stopping.wait(max(0.0, min(self._due.values()) - self._clock()))

    def stop(self) -> None:
        self._stopping.set()

    @property
    def stuck(self) -> bool:
        """May be asked from any thread."""
        return self._clock() - self._last_run_at > STUCK_SECONDS

    def _run_once(self) -> None:
        """Do every task that is due."""
        self._last_run_at = self._clock()
        for task in self._tasks:
            if self._stopping.is_set() or self._due[task.name] > self._clock():
                continue
            self._due[task.name] = self._clock() + task.seconds
            with logs.about(consumer=self.name):
                try:
                    task.work()
                except Transient as error:
                    log.warning("%s: %s has to wait: %s", self.name, task.name, error)
