"""Several consumers in one process, each in a thread of its own. If one crashes the process ends: it is restarted."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from consumers.framework import status
from consumers.framework.loop import STOP_SECONDS
from consumers.framework.outcome_handler import BreakerOpen
from consumers.registry import Runnable, build
from demixer.wiring import Services

OK, CRASHED, BREAKER = 0, 1, 3  # exit codes
LOOK_SECONDS = 0.2  # between two looks whether to stop

log = logging.getLogger(__name__)


class Process:
    """`run` blocks until `stop` (from a signal handler or any thread) or until one of them ends by itself."""

    def __init__(self, consumers: Sequence[Runnable]) -> None:
        self._consumers = consumers
        self._asked = False
        self._over = threading.Event()
        self._code = OK

    def run(self) -> int:
        """Returns the exit code."""
        threads = [
            threading.Thread(target=self._guard, args=(each,), name=each.name, daemon=True) for each in self._consumers
        ]
        for thread in threads:
            thread.start()
        while not (self._asked or self._over.wait(LOOK_SECONDS)):
            pass
        for consumer in self._consumers:
            consumer.stop()
        for thread in threads:
            thread.join(STOP_SECONDS + 1)
        return self._code

    def stop(self) -> None:
        """Only a flag: a signal handler may run while this very thread holds the lock of an `Event`."""
        self._asked = True

    def stuck(self) -> list[str]:
        """The names of those that are."""
        return [consumer.name for consumer in self._consumers if consumer.stuck]

    def _guard(self, consumer: Runnable) -> None:
        try:
            consumer.run()
        except BreakerOpen as error:
            log.error("%s", error)
            self._code = BREAKER
        except BaseException:
            log.exception("%s crashed", consumer.name)
            self._code = CRASHED
        finally:
            self._over.set()


def consumers_of(services: Services, names: Sequence[str], held: ExitStack) -> Process:
    """With what machines may ask of them, where METRICS_PORT says so."""
    running = Process([build(name, services, held) for name in names])
    status.serve(services, names, running.stuck, held)
    return running
