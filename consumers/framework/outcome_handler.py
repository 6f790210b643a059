"""What follows from the outcome of a message: a commit, another try after a backoff, or a dead letter."""

import logging
import random
from collections.abc import Callable
from datetime import datetime

from consumers.framework import dead_letters, instrumentation, metrics
from consumers.framework.commits import ENGINE_RETRY_SECONDS, CommitBatch
from consumers.framework.consumer import Consumer, Context, failure_of
from consumers.framework.outcomes import Done, Interrupted, Outcome, Rejected, Retry
from demixer.domain import Event
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Message, TopicPartition
from demixer.runtime import logs

DEAD_LETTER_LIMIT = 20  # in a row, without a message that is done: the consumer is at fault, not the messages
FIRST_SECONDS = 0.5  # of backoff, doubled with every try
LONGEST_SECONDS = 60.0
DOUBLINGS = 16  # beyond the longest wait; more would be a number that is too large for a float

log = logging.getLogger(__name__)


class BreakerOpen(Exception):
    """`DEAD_LETTER_LIMIT` messages in a row became dead letters. The consumer stops, and spares all that follow."""


class Backoff:
    """Exponential backoff with jitter, for the message at the head of each partition.

    Every wait is between half and the whole of the doubled time, so that messages that failed together are not tried
    again together: "equal jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.
    `retries` is how many there are, None for any number; `chance` gives 0 to 1.
    """

    def __init__(self, retries: int | None, chance: Callable[[], float] = random.random) -> None:
        self._retries, self._chance = retries, chance
        self._tries: dict[TopicPartition, tuple[int, int]] = {}  # offset, how often it failed

    def next_wait(self, partition: TopicPartition, offset: int) -> float | None:
        """Seconds to wait after this failure, or None when there is no retry left."""
        known, tries = self._tries.get(partition, (offset, 0))
        tries = tries if known == offset else 0
        if self._retries is not None and tries >= self._retries:
            return None
        self._tries[partition] = offset, tries + 1
        longest = min(FIRST_SECONDS * 2.0 ** min(tries, DOUBLINGS), LONGEST_SECONDS)
        return longest * (0.5 + self._chance() / 2)

    def reset(self, partition: TopicPartition) -> None:
        self._tries.pop(partition, None)


class OutcomeHandler:
    """Handles the outcomes of one loop. `now` is the time of dead letters."""

    def __init__(
        self, consumer: Consumer, commits: CommitBatch, backoff: Backoff, log: EventLog, now: Callable[[], datetime]
    ) -> None:
        self._consumer, self._commits, self._backoff = consumer, commits, backoff
        self._log, self._now = log, now
        self._dead_in_a_row = 0
        self._dead_letters: dict[TopicPartition, int] = {}  # offset of the last one written for each partition

    def handle(self, message: Message, outcome: Outcome) -> float | None:
        """Seconds until the message is tried again; None when its partition may go on.

        Raises `BreakerOpen` after the last of `DEAD_LETTER_LIMIT` dead letters in a row is committed.
        """
        match outcome:
            case Done():
                self._dead_in_a_row = 0
                return self._commit(message, self._commits.add, "done", *outcome.types)
            case Interrupted():
                metrics.count_outcome(self._consumer.name, "interrupted", type_of(message))
                return None
            case Retry(error, event):
                with logs.about(instrumentation.ids(self._consumer.name, event)):
                    seconds = self._backoff.next_wait(message.topic_partition, message.offset)
                    if seconds is None:
                        return self._reject(message, error, event)
                    return self._retry_in(seconds, message, error)
            case Rejected(reason, rejected):
                with logs.about(instrumentation.ids(self._consumer.name, rejected)):
                    return self._reject(message, reason, rejected)

    def _commit(self, message: Message, commit: Callable[[Message], None], outcome: str, *types: str) -> float | None:
        try:
            commit(message)
        except Transient as error:
            with logs.about(consumer=self._consumer.name):
                return self._retry_in(ENGINE_RETRY_SECONDS, message, error)
        self._backoff.reset(message.topic_partition)
        metrics.count_outcome(self._consumer.name, outcome, *types)
        return None

    def _retry_in(self, seconds: float, message: Message, error: Transient) -> float:
        log.warning("%s: %s is tried again in %.1f s: %s", self._consumer.name, name_of(message), seconds, error)
        metrics.count_outcome(self._consumer.name, "retry", type_of(message))
        return seconds

    def _reject(self, message: Message, error: Exception, event: Event | None) -> float | None:
        """Write the dead letter, give the event up, commit; all of it again later where an engine is busy.

        The letter is durable before anything else: an event that was given up is not handled again, so a letter that is
        written after that could be lost with the process.
        """
        name = self._consumer.name
        try:
            self._write_dead_letter(message, error)
            if event is not None:
                self._give_up(event, error)
        except Transient as busy:
            return self._retry_in(ENGINE_RETRY_SECONDS, message, busy)
        log.error("%s: %s is a dead letter: %s", name, name_of(message), error)
        seconds = self._commit(message, self._commits.commit_now, "dead", type_of(message))
        self._dead_in_a_row += 1
        if self._dead_in_a_row >= DEAD_LETTER_LIMIT:
            raise BreakerOpen(f"{name}: {DEAD_LETTER_LIMIT} dead letters in a row, see `demixer dead-letters list`")
        return seconds

    def _write_dead_letter(self, message: Message, error: Exception) -> None:
        """Once in a process, however often giving up has to be tried."""
        partition = message.topic_partition
        if self._dead_letters.get(partition) == message.offset:
            return
        letter = dead_letters.record(message, group=self._consumer.name, error=error, now=self._now())
        self._log.publish([letter])
        self._dead_letters[partition] = message.offset

    def _give_up(self, event: Event, error: Exception) -> None:
        """Raises `Transient`; any other error is logged, and holds up nothing."""
        try:
            self._consumer.give_up(event, failure_of(error), Context(lambda: False))
        except Transient:
            raise
        except Exception:
            log.exception("%s: giving up %s %s failed, too", self._consumer.name, event.type, event.subject)


def name_of(message: Message) -> str:
    """For the log."""
    return f"{message.topic}/{message.partition}/{message.offset} ({type_of(message) or '?'} {message.key})"


def type_of(message: Message) -> str:
    """The type of its event, as its headers say; "" where they do not."""
    return message.headers.get("type", "")
