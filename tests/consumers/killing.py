"""A process that is killed in the middle of a handler: right after any of the calls that it makes of its engines."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.wiring import Services
from tests.consumers.driving import loop_of, steps
from tests.wired import Clock

ENGINES = ("events", "catalogue", "files", "search", "fingerprints")
PARTS = ("uploads", "songs", "separations", "libraries", "outbox")  # of a catalogue


class Killed(BaseException):
    pass


class Mortal:
    """An engine; the process dies when `calls` of them all are made."""

    def __init__(self, engine: Any, count: Callable[[], None]) -> None:
        self._engine, self._count = engine, count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return Mortal(found, self._count) if name in PARTS else self._counted(found)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            result = call(*args, **options)
            self._count()
            return result

        return counted


def killed(services: Services, consumer: Consumer, clock: Clock, *, after: int) -> bool:
    """Whether a process was, after so many calls; one that was not had fewer to make."""
    left = iter(range(after - 1))

    def count() -> None:
        if next(left, None) is None:
            raise Killed

    def handle(event: Event, context: Context) -> None:
        consumer.handle(event, replace(context, services=mortal(context.services, count)))

    loop = loop_of(services, replace(consumer, handle=handle), clock)
    try:
        steps(loop)
    except Killed:
        return True
    finally:
        loop._subscription.close()  # kill -9: nothing else happens
    return False


def mortal(services: Services, count: Callable[[], None]) -> Services:
    engines: dict[str, Any] = {name: Mortal(getattr(services, name), count) for name in ENGINES}
    return replace(services, **engines)
