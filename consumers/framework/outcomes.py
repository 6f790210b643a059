"""The four ends of a message, as `demixer.domain.errors` defines them, and a fifth: stopped in the middle."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from consumers.framework.consumer import Stopped
from demixer.domain import Event
from demixer.domain.errors import Forbidden, NotFound, Refused, Transient
from schemas import codec
from schemas.errors import BadEvent

REJECTED = (Refused, NotFound, Forbidden, BadEvent)

log = logging.getLogger(__name__)


class Done:
    """Its effects are stored; with it those of the messages right before it. `types` of their events."""

    __slots__ = ("types",)

    def __init__(self, *types: str) -> None:
        self.types = types


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Asked to stop, it stopped. To be done again, from the start, by whoever gets the message next."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    error: Transient
    event: Event


@dataclass(frozen=True, slots=True)
class Rejected:
    """`event` is None where the message is no event of ours."""

    error: Exception
    event: Event | None


Outcome = Done | Interrupted | TryAgain | Rejected


def attempt(value: bytes, handle: Callable[[Event], None]) -> Outcome:
    """Decode and handle. What is raised from here is the fourth end: the process must not go on."""
    event: Event | None = None
    try:
        event = codec.decode(value)
        handle(event)
    except Stopped:
        return Interrupted()
    except Transient as error:
        assert event is not None, "decoding waits for nothing"
        return TryAgain(error, event)
    except REJECTED as error:
        return Rejected(error, event)
    return _done(event.type)


_done = cache(Done)


def unasked(work: Callable[[], None]) -> None:
    """Do what no message asked for: what can be foreseen is only logged, since the next look comes soon enough."""
    try:
        work()
    except Stopped:
        return
    except Transient as error:
        log.warning("what no message asked for has to wait: %s", error)


def readable(value: bytes) -> Event | None:
    """The event, where it is one."""
    try:
        return codec.decode(value)
    except BadEvent:
        return None
