"""Several consumers in one process, each in a thread of its own. If one crashes the process ends, and is restarted."""

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from consumers.framework.loop import STOP_SECONDS
from consumers.framework.outcome_handler import BreakerOpen

OK, CRASHED, BREAKER = 0, 1, 3  # exit codes
POLL_SECONDS = 0.2  # between two looks whether to stop

log = logging.getLogger(__name__)


class Runnable(Protocol):
    """A `Loop` or a `Timer`."""

    name: str

    def run(self) -> None:
        """Blocks until `stop`. Raises an error to end the process."""

    def stop(self) -> None: ...

    @property
    def stuck(self) -> bool:
        """Whether one turn takes longer than anything should."""


class Process:
    """`run` blocks until `stop` (from a signal handler or any thread) or until a consumer ends by itself."""

    def __init__(self, consumers: Sequence[Runnable]) -> None:
        self._consumers = consumers
        self._stop_asked = False
        self._ended = threading.Event()  # one of them
        self._code = OK

    def run(self) -> int:
        """Returns the exit code."""
        threads = [
            threading.Thread(target=self._run_consumer, args=(each,), name=each.name, daemon=True)
            for each in self._consumers
        ]
        for thread in threads:
            thread.start()
        while not (self._stop_asked or self._ended.wait(POLL_SECONDS)):
            pass
        for consumer in self._consumers:
            consumer.stop()
        for thread in threads:
            thread.join(STOP_SECONDS + 1)
        return self._code

    def stop(self) -> None:
        """Only a flag: a signal handler may run while this very thread holds the lock of an `Event`."""
        self._stop_asked = True

    def stuck(self) -> list[str]:
        """The names of the consumers that are."""
        return [consumer.name for consumer in self._consumers if consumer.stuck]

    def _run_consumer(self, consumer: Runnable) -> None:
        try:
            consumer.run()
        except BreakerOpen as error:
            log.error("%s", error)
            self._code = BREAKER
        except BaseException:
            log.exception("%s crashed", consumer.name)
            self._code = CRASHED
        finally:
            self._ended.set()
