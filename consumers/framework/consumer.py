"""What a consumer is: a name, topics, and a plain function for their events. No type of the log reaches it."""

from collections.abc import Callable
from dataclasses import dataclass

from demixer.domain import Event, Failure
from demixer.domain.errors import DemixerError

PLAIN = (str, int, float, bool, type(None))


class Stopped(Exception):
    """`Context.stopping` said so, and the handler stopped in the middle: its event stays uncommitted."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler gets beside the event. Long work asks `stopping` at least once a second.

    `member` is the name of the process in its consumer group: kept over a restart, never that of another living one.
    """

    stopping: Callable[[], bool]
    member: str = ""


def nobody_waits(event: Event, failure: Failure, context: Context) -> None:
    """The `give_up` of a consumer whose events nobody waits for."""


def nothing() -> None:
    """The `close` of a consumer that holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """`handle` returns when the event's effects are stored, or raises; `demixer.domain.errors` says what follows from
    what.

    It may be called twice with the same event, and the second call must do no harm. `give_up` ends what somebody waits
    for as failed, once an event will not be tried again. `at_once` above 0 runs that many handlers beside the polling,
    in threads: for long work. `retries` bounds how often `Transient` is answered by trying again. `help_out` is called
    now and then where `handle` is, while nothing is in hand: to take work that waits behind another member's.
    """

    name: str  # also the consumer group
    topics: tuple[str, ...]
    handle: Callable[[Event, Context], None]
    give_up: Callable[[Event, Failure, Context], None] = nobody_waits
    at_once: int = 0
    retries: int | None = 8  # about two minutes, with the backoff of `consumers.framework.backoff`; None: without end
    help_out: Callable[[Context], None] | None = None
    close: Callable[[], None] = nothing


def failure_of(error: BaseException) -> Failure:
    """What the person who waits gets to read; of an error that is none of ours, only that it was our fault."""
    if not isinstance(error, DemixerError):
        return Failure("internal")
    params = {name: value if isinstance(value, PLAIN) else str(value) for name, value in error.params.items()}
    return Failure(error.code, params)
