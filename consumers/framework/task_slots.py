"""Long work of one loop, done in threads beside its polling: a queue, and a bounded number of slots to run in."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol, TypeVar

from consumers.framework.consumer import Stopped
from consumers.framework.outcomes import Outcome
from demixer.domain.errors import Transient
from demixer.ports import Message, TopicPartition
from demixer.runtime.threads import in_thread

HELP_SECONDS = 2.0  # between two calls of `help_out` by an idle member

T = TypeVar("T")
Result = Callable[[], Outcome]  # raises what the handler raised

log = logging.getLogger(__name__)


class Executor(Protocol):
    """`slots`: how many jobs may run at once."""

    slots: int

    def submit(self, job: Callable[[], T]) -> "Future[T]": ...


class Threads:
    """A daemon thread for each job, so that a stop need not wait for them."""

    def __init__(self, slots: int, name: str) -> None:
        self.slots, self._name = slots, name

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        return in_thread(job, self._name)


class TaskSlots:
    """Messages that wait for a slot, and those that run in one: at most one message of each partition runs.

    Whoever enqueues a message pauses its partition. `help_out` is work without a message, done in a slot, too. `clock`
    in seconds.
    """

    def __init__(
        self, executor: Executor, help_out: Callable[[], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._executor, self._help_out, self._clock = executor, help_out, clock
        self._queue: dict[TopicPartition, Message] = {}
        self._running: dict[TopicPartition, tuple[Message, Future[Outcome]]] = {}
        self._helping: Future[None] | None = None
        self._helped_at = clock()

    @property
    def is_idle(self) -> bool:
        """Whether no message waits or runs."""
        return not (self._queue or self._running)

    @property
    def running(self) -> list[Message]:
        """May be asked from any thread."""
        return [message for message, _ in list(self._running.values())]

    def enqueue(self, message: Message) -> None:
        self._queue[message.topic_partition] = message

    def next_ready(self) -> Message | None:
        """The oldest message of the queue that may start now. It stays in the queue until `dequeue`."""
        if self._queue and len(self._running) + bool(self._helping) < self._executor.slots:
            for message in sorted(self._queue.values(), key=lambda message: message.time):
                if message.topic_partition not in self._running:
                    return message
        return None

    def dequeue(self, message: Message) -> None:
        del self._queue[message.topic_partition]

    def start(self, message: Message, work: Result) -> None:
        self._running[message.topic_partition] = message, self._executor.submit(work)

    def finished(self) -> Iterator[tuple[Message, Result]]:
        """The messages whose work ended since the last call, one by one. Raises what `help_out` raised, except
        `Transient` and `Stopped`."""
        if self._helping is not None and self._helping.done():
            helped, self._helping = self._helping, None
            helped.result()
        for partition, (message, future) in list(self._running.items()):
            if future.done():
                del self._running[partition]
                yield message, future.result

    def start_helping(self) -> None:
        """Call `help_out` in a slot, unless it runs or was called `HELP_SECONDS` ago."""
        help_out = self._help_out
        if help_out is None or self._helping is not None or self._clock() - self._helped_at < HELP_SECONDS:
            return
        self._helped_at = self._clock()

        def job() -> None:
            try:
                help_out()
            except Stopped:
                return
            except Transient as error:
                log.warning("helping out has to wait: %s", error)

        self._helping = self._executor.submit(job)

    def wait_for_any(self, seconds: float) -> None:
        """Until the work of a message ends, `seconds` at most."""
        wait([future for _, future in self._running.values()], timeout=seconds, return_when=FIRST_COMPLETED)

    def wait_for_all(self, seconds: float) -> None:
        """Until all work has ended, that without a message too, `seconds` at most."""
        futures: list[Future[Any]] = [future for _, future in self._running.values()]
        wait([*futures, *([self._helping] if self._helping else [])], timeout=seconds)
