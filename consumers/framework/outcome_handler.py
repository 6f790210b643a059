"""What follows from the end of a message: a commit, another try, a dead letter, or the breaker."""

import logging
from collections.abc import Callable

from consumers.framework import dead_letters, instrumentation, metrics
from consumers.framework.backoff import Retries
from consumers.framework.commits import ENGINE_SECONDS, Commits
from consumers.framework.consumer import Consumer, Context, failure_of
from consumers.framework.outcomes import Done, Interrupted, Outcome, Rejected, TryAgain
from demixer.domain import Event
from demixer.domain.errors import Transient
from demixer.ports import Message, TopicPartition
from demixer.runtime import logs
from demixer.wiring import Services

DEAD_IN_A_ROW = 20  # dead letters without anything done between them: it is us, not them

log = logging.getLogger(__name__)


class BreakerOpen(Exception):
    """All ends as dead letters: something is wrong with the consumer. It stops rather than go through everything."""


class Endings:
    """Of the messages of one loop."""

    def __init__(self, services: Services, consumer: Consumer, commits: Commits, retries: Retries) -> None:
        self._services, self._consumer = services, consumer
        self._commits, self._retries = commits, retries
        self._dead_in_a_row = 0
        self._written: dict[TopicPartition, int] = {}  # the last dead letter of each partition, by offset

    def of(self, message: Message, outcome: Outcome) -> float | None:
        """Seconds until the message is to be tried again; None when its partition may go on at once.

        Raises `BreakerOpen` after `DEAD_IN_A_ROW` dead letters, the last of them committed.
        """
        match outcome:
            case Done():
                self._dead_in_a_row = 0
                return self._commit(message, self._commits.done, "done", *outcome.types)
            case Interrupted():
                metrics.ended(self._consumer.name, "interrupted", type_of(message))
                return None
            case TryAgain(_, event) | Rejected(_, event):
                with logs.about(instrumentation.ids(self._consumer.name, event)):
                    return self._failed(message, outcome)

    def _failed(self, message: Message, outcome: TryAgain | Rejected) -> float | None:
        if isinstance(outcome, TryAgain):
            return self._try_again(message, outcome.error, outcome.event)
        return self._reject(message, outcome.error, outcome.event)

    def _commit(self, message: Message, commit: Callable[[Message], None], outcome: str, *types: str) -> float | None:
        try:
            commit(message)
        except Transient as error:
            with logs.about(consumer=self._consumer.name):
                return self._again(message, ENGINE_SECONDS, error)
        self._retries.forget(message.topic_partition)
        metrics.ended(self._consumer.name, outcome, *types)
        return None

    def _try_again(self, message: Message, error: Transient, event: Event) -> float | None:
        seconds = self._retries.next_wait(message.topic_partition, message.offset)
        return self._reject(message, error, event) if seconds is None else self._again(message, seconds, error)

    def _again(self, message: Message, seconds: float, error: Transient) -> float:
        log.warning("%s: %s again in %.1f s: %s", self._consumer.name, name_of(message), seconds, error)
        metrics.ended(self._consumer.name, "retry", type_of(message))
        return seconds

    def _reject(self, message: Message, error: Exception, event: Event | None) -> float | None:
        """A dead letter, durable before anything follows from it. Where not even that works now, it is done later.

        Who was given up is not handled again, so a letter written after that could be lost with the process.
        """
        try:
            self._write(message, error)
            self._give_up(error, event)
        except Transient as busy:
            return self._again(message, ENGINE_SECONDS, busy)
        log.error("%s: %s is a dead letter: %s", self._consumer.name, name_of(message), error)
        seconds = self._commit(message, self._commits.now, "dead", type_of(message))
        self._count_dead()
        return seconds

    def _write(self, message: Message, error: Exception) -> None:
        """Once in a process, however often giving up has to be tried."""
        place = message.topic_partition
        if self._written.get(place) == message.offset:
            return
        letter = dead_letters.record(message, group=self._consumer.name, error=error, now=self._services.clock())
        self._services.events.publish([letter])
        self._written[place] = message.offset

    def _give_up(self, error: Exception, event: Event | None) -> None:
        if event is None:
            return
        try:
            self._consumer.give_up(event, failure_of(error), Context(lambda: False))
        except Transient:
            raise
        except Exception:
            log.exception("%s: giving up %s %s failed too", self._consumer.name, event.type, event.subject)

    def _count_dead(self) -> None:
        self._dead_in_a_row += 1
        if self._dead_in_a_row >= DEAD_IN_A_ROW:
            name = self._consumer.name
            raise BreakerOpen(f"{name}: {DEAD_IN_A_ROW} dead letters in a row, see `demixer dead-letters list`")


def name_of(message: Message) -> str:
    """For the log."""
    return f"{message.topic}/{message.partition}/{message.offset} ({type_of(message) or '?'} {message.key})"


def type_of(message: Message) -> str:
    """Of its event, as its headers tell: it may be no event of ours."""
    return message.headers.get("type", "")
