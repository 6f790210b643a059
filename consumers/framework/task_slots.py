"""Long work of one loop, done beside its polling: what waits for a place, what runs, and help for other members."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from consumers.framework.executors import Executor
from consumers.framework.outcomes import Outcome, unasked
from demixer.ports import Message, TopicPartition

HELP_SECONDS = 2.0  # between two looks of an idle member for work that waits elsewhere

Result = Callable[[], Outcome]  # raises what the handler raised


@dataclass(frozen=True, slots=True)
class _Job:
    message: Message
    future: "Future[Outcome]"


class Desk:
    """Messages by partition, never two of one at work. Whoever puts one here has paused its partition.

    `help_out` is work that has no message: what becomes of it is the consumer's own business. `clock` in seconds.
    """

    def __init__(
        self, executor: Executor, help_out: Callable[[], None] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._executor, self._help, self._clock = executor, help_out, clock
        self._waiting: dict[TopicPartition, Message] = {}
        self._running: dict[TopicPartition, _Job] = {}
        self._helping: Future[None] | None = None
        self._helped = clock()

    @property
    def idle(self) -> bool:
        return not (self._waiting or self._running)

    @property
    def running(self) -> list[Message]:
        """May be asked from any thread."""
        return [job.message for job in list(self._running.values())]

    def put(self, message: Message) -> None:
        self._waiting[message.topic_partition] = message

    def next(self) -> Message | None:
        """The oldest that waits and may start now, whatever partition it came from: first come, first served. It stays
        until it is taken."""
        if self._waiting and len(self._running) + bool(self._helping) < self._executor.places:
            for message in sorted(self._waiting.values(), key=lambda message: message.time):
                if message.topic_partition not in self._running:
                    return message
        return None

    def take(self, message: Message) -> None:
        del self._waiting[message.topic_partition]

    def start(self, message: Message, work: Result) -> None:
        self._running[message.topic_partition] = _Job(message, self._executor.submit(work))

    def ended(self) -> Iterator[tuple[Message, Result]]:
        """What ended since the last look, one after the other. Raises what helping raised that nobody foresaw."""
        self._end_helping()
        for job in [job for job in self._running.values() if job.future.done()]:
            del self._running[job.message.topic_partition]
            yield job.message, job.future.result

    def help_out(self) -> None:
        """Now and then."""
        if self._help is None or self._helping or self._clock() - self._helped < HELP_SECONDS:
            return
        work, self._helped = self._help, self._clock()
        self._helping = self._executor.submit(lambda: unasked(work))

    def wait_for_one(self, seconds: float) -> None:
        """Until a message's work ends, `seconds` at most."""
        wait([job.future for job in self._running.values()], timeout=seconds, return_when=FIRST_COMPLETED)

    def wait_for_all(self, seconds: float) -> None:
        futures: list[Future[Any]] = [job.future for job in self._running.values()]
        wait([*futures, *([self._helping] if self._helping else [])], timeout=seconds)

    def _end_helping(self) -> None:
        if self._helping is not None and self._helping.done():
            helped, self._helping = self._helping, None
            helped.result()
