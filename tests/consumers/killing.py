"""A process that is killed in the middle of a message: right after any of the calls that it makes of its engines."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consumers.framework.consumer import Consumer
from demixer.wiring import Services, build_services
from tests.consumers.driving import loop_of, steps
from tests.wired import Clock

ENGINES = ("events", "catalogue", "files", "search", "fingerprints")


class Killed(BaseException):
    pass


class Mortal:
    """An engine, or a part of one, such as `catalogue.songs`. `count` is called after every call, and may kill."""

    def __init__(self, engine: Any, count: Callable[[], None]) -> None:
        self._engine, self._count = engine, count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        return self._counted(found) if callable(found) else Mortal(found, self._count)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            result = call(*args, **options)
            self._count()
            return result

        return counted


def killed(services: Services, make: Callable[[Services], Consumer], clock: Clock, *, after: int) -> bool:
    """Whether a process of the consumer was killed `after` so many calls. If not, it had fewer to make.

    The calls of its handler count, and those of the loop that publish what the handler saved.
    """
    left = iter(range(after - 1))

    def count() -> None:
        if next(left, None) is None:
            raise Killed

    mortal = build_services(replace(services.adapters, **_mortal_engines(services, count)))
    loop = loop_of(services, make(mortal), clock, flush=mortal.flush)
    try:
        steps(loop)
    except Killed:
        return True
    finally:
        loop._subscription.close()  # kill -9: nothing else happens
    return False


def _mortal_engines(services: Services, count: Callable[[], None]) -> dict[str, Any]:
    return {name: Mortal(getattr(services.adapters, name), count) for name in ENGINES}
