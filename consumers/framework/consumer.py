"""What a consumer is: a name, topics, and a plain function for their events. No type of the log reaches it."""

from collections.abc import Callable
from dataclasses import dataclass

from demixer.domain import Event, Failure
from demixer.domain.errors import DemixerError

PLAIN = (str, int, float, bool, type(None))


class Stopped(Exception):
    """The handler stopped in the middle because `Context.stopping` asked it to: its event stays uncommitted."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler gets beside the event. Long work asks `stopping` at least once a second.

    `member` is the name of the process in its consumer group. It is kept over a restart, and two living processes never
    share it.
    """

    stopping: Callable[[], bool]
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """The handler of some topics, and how it is run.

    `handle` returns when the effects of the event are stored, or raises: `demixer.domain.errors` says what follows from
    which error. It may be called twice with the same event, and the second call must do no harm. `give_up` marks as
    failed what a person waits for, once the event is not tried again.
    """

    name: str  # also the consumer group
    topics: tuple[str, ...]
    handle: Callable[[Event, Context], None]
    give_up: Callable[[Event, Failure, Context], None] = lambda event, failure, context: None
    at_once: int = 0  # above 0: so many handlers run in threads, beside the polling: for long work
    retries: int | None = 8  # of a `Transient` error: about two minutes of backoff; None: without end
    help_out: Callable[[Context], None] | None = None  # called now and then, in a thread, while nothing is in progress
    close: Callable[[], None] = lambda: None


def failure_of(error: BaseException) -> Failure:
    """What the person who waits reads. An error that is none of ours is "internal", without its text."""
    if not isinstance(error, DemixerError):
        return Failure("internal")
    params = {name: value if isinstance(value, PLAIN) else str(value) for name, value in error.params.items()}
    return Failure(error.code, params)
