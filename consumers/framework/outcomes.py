"""How the handling of a message can end: done, retry, rejected, or interrupted by a stop.

Which error leads to which outcome is said in `demixer.domain.errors`. Any other error is no outcome: it is raised, and
ends the process without a commit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from consumers.framework.consumer import Context, Stopped
from demixer.domain import Event
from demixer.domain.errors import Forbidden, NotFound, Refused, Transient
from schemas import codec
from schemas.errors import BadEvent

REJECTED = (Refused, NotFound, Forbidden, BadEvent)


class Done:
    """The effects are stored. `types`: of the events of this message and of those handled right before it."""

    __slots__ = ("types",)

    def __init__(self, *types: str) -> None:
        self.types = types


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The handler was asked to stop, and did. Whoever gets the message next handles it from the start."""


@dataclass(frozen=True, slots=True)
class Retry:
    error: Transient
    event: Event


@dataclass(frozen=True, slots=True)
class Rejected:
    """No retry will help. `event` is None where the message is no event of ours."""

    error: Exception
    event: Event | None


Outcome = Done | Interrupted | Retry | Rejected

_done = cache(Done)  # one for each event type: there is one outcome for every message


def decode_and_handle(value: bytes, handle: Callable[[Event, Context], None], context: Context) -> Outcome:
    """Raises what `handle` raises, except for the errors that are an outcome."""
    event: Event | None = None
    try:
        event = codec.decode(value)
        handle(event, context)
    except Stopped:
        return Interrupted()
    except Transient as error:
        assert event is not None, "decoding raises no Transient"
        return Retry(error, event)
    except REJECTED as error:
        return Rejected(error, event)
    return _done(event.data.TYPE)


def decode_or_none(value: bytes) -> Event | None:
    """None where the message is no event of ours."""
    try:
        return codec.decode(value)
    except BadEvent:
        return None
