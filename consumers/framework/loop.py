"""The loop that all consumers share: poll, handle, commit after the effects; retry, write a dead letter, or stop.

Polling goes on whatever a handler does. A partition whose message runs in a slot, or waits for its next try, is paused;
the others go on. A message is committed only when it is done, or when its dead letter is written. Work for a partition
that went to another member meanwhile is finished and not committed: the other member gets the message, too, and finds
it done.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from consumers.framework import metrics
from consumers.framework.commits import ENGINE_RETRY_SECONDS, CommitBatch
from consumers.framework.consumer import Consumer, Context
from consumers.framework.delivery_counter import DeliveryCounter
from consumers.framework.outcome_handler import Backoff, OutcomeHandler, name_of, type_of
from consumers.framework.outcomes import Done, Outcome, Rejected, decode_and_handle, decode_or_none
from consumers.framework.task_slots import Executor, TaskSlots, Threads
from demixer.domain.errors import DemixerError, Transient
from demixer.ports import EventLog, Message, TopicPartition

IDLE_SECONDS = 1.0  # of a poll when nothing is in progress
BUSY_SECONDS = 0.05  # between two polls while work goes on beside them, or of a poll while a retry is due
RUN_SECONDS = 0.02  # of messages handled one after the other without a look at the engine
STUCK_SECONDS = 60.0  # since the last poll; between two polls is what a handler takes that is not long work
STOP_SECONDS = 3.0  # for work in progress once a stop is asked for; the supervisor waits 3.6

log = logging.getLogger(__name__)


class Loop:
    """One member of the consumer group. `run` it in one thread; `stop` may be called from any, at any time.

    `flush` publishes the events that this process saved. The loop calls it after each message, at most
    `commits.BATCH_SECONDS` later, and while long work goes on. `counts_dir` holds the delivery counts, in a folder for
    each group. `now` dates dead letters. `executor`, `clock` (seconds), `idle_timeout` (seconds of a poll when nothing
    is in progress) and `backoff` are for tests.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        log: EventLog,
        flush: Callable[[], object],
        counts_dir: Path,
        now: Callable[[], datetime],
        member: str,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        idle_timeout: float = IDLE_SECONDS,
        backoff: Backoff | None = None,
    ) -> None:
        self.name, self._consumer, self._flush, self._clock = consumer.name, consumer, flush, clock
        self._stopping = threading.Event()
        self._context = Context(self._stopping.is_set, member)
        self._slots: TaskSlots | None = None  # None: messages are handled one by one, between two polls
        if executor is not None or consumer.at_once:
            help_out = consumer.help_out and partial(consumer.help_out, self._context)
            self._slots = TaskSlots(executor or Threads(consumer.at_once, consumer.name), help_out, clock)
        self._subscription = log.subscribe(consumer.topics, group=consumer.name, member=member)
        self._deliveries = DeliveryCounter(counts_dir / consumer.name)
        self._commits = CommitBatch(self._subscription, flush, clock, batched=self._slots is None)
        self._outcomes = OutcomeHandler(consumer, self._commits, backoff or Backoff(consumer.retries), log, now)
        self._retries: dict[TopicPartition, tuple[float, Message]] = {}  # paused until then
        self._idle_timeout, self._busy_timeout = idle_timeout, min(BUSY_SECONDS, idle_timeout)
        self._last_poll_at = clock()
        self._handling: Message | None = None  # between two polls
        metrics.watch_in_progress(self.name, self._in_progress)

    def run(self) -> None:
        """Until `stop`. Raises `BreakerOpen`, and what the handler raises that is no outcome."""
        try:
            while not self._stopping.is_set():
                try:
                    self._run_once()
                except Transient as error:
                    log.warning("%s: an engine is busy and asked again: %s", self.name, error)
                    self._stopping.wait(ENGINE_RETRY_SECONDS)
            self._finish()
        finally:
            self._leave()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def stuck(self) -> bool:
        """May be asked from any thread."""
        return self._clock() - self._last_poll_at > STUCK_SECONDS

    def _in_progress(self) -> int:
        return bool(self._handling) + len(self._slots.running if self._slots else ())

    def _run_once(self) -> None:
        """One poll, and what follows from it."""
        self._last_poll_at = now = self._clock()
        for partition, (due, message) in list(self._retries.items()):
            if due <= now:
                del self._retries[partition]
                self._subscription.resume(message)
        if self._slots is None:
            self._handle_next()
        else:
            self._fill(self._slots)

    # Handlers that are quick: one message after the other

    def _handle_next(self) -> None:
        """Poll a message and handle it, then those fetched already that follow it in its partition, while all are done.

        They are settled together by the last one that is done. An outcome other than done is settled after that.
        """
        message, until = self._poll(), self._clock() + RUN_SECONDS
        last_done: Message | None = None
        types: list[str] = []
        try:
            while message is not None:
                outcome = self._handle(message)
                if not isinstance(outcome, Done):
                    break
                last_done = message
                types += outcome.types
                message = self._subscription.next_buffered(message) if self._clock() < until else None
        finally:
            self._handling = None
            if last_done is not None:
                self._settle(last_done, Done(*types))
        if message is not None:
            self._settle(message, outcome)

    def _poll(self) -> Message | None:
        """Messages that are fetched already go before a commit that is not due."""
        self._commits.commit_due()
        if self._commits and (message := self._subscription.poll(0)):
            return message
        self._commits.commit_due(early=True)
        return self._subscription.poll(self._poll_timeout)

    def _handle(self, message: Message) -> Outcome:
        """Raises what the handler raises that is no outcome."""
        self._handling = message
        if refusal := self._begin(message):
            return refusal
        try:
            return decode_and_handle(message.value, self._consumer.handle, self._context)
        except BaseException:
            self._note_crash(message)
            raise

    # Long work: in slots, beside the polling

    def _fill(self, slots: TaskSlots) -> None:
        """Settle what ended in a slot, poll, and start what has a slot to start in."""
        self._settle_finished(slots)
        self._flush()
        if polled := self._poll_beside(slots):
            self._subscription.pause(polled)
            slots.enqueue(polled)
        while waiting := slots.next_ready():
            is_ours = self._subscription.owns(waiting)
            slots.dequeue(waiting)
            if not is_ours:
                self._subscription.resume(waiting)
            elif refusal := self._begin(waiting):
                self._settle(waiting, refusal)
            else:
                slots.start(waiting, partial(decode_and_handle, waiting.value, self._consumer.handle, self._context))
        if slots.is_idle and not self._retries:
            slots.start_helping()

    def _settle_finished(self, slots: TaskSlots) -> None:
        """Raises what a handler raised that is no outcome."""
        for message, result in slots.finished():
            try:
                outcome = result()
            except BaseException:
                self._note_crash(message)
                raise
            self._settle(message, outcome)

    def _poll_beside(self, slots: TaskSlots) -> Message | None:
        """While work runs its end is noticed at once, since others wait for what it publishes; a message that arrives
        meanwhile waits up to `BUSY_SECONDS`."""
        self._commits.commit_due(early=True)
        if not slots.running:
            return self._subscription.poll(self._poll_timeout if slots.is_idle else self._busy_timeout)
        message = self._subscription.poll(0)
        if message is None:
            slots.wait_for_any(self._busy_timeout)
        return message

    # Both

    @property
    def _poll_timeout(self) -> float:
        """Seconds of a poll when nothing is in progress."""
        return self._busy_timeout if self._retries or self._commits else self._idle_timeout

    def _begin(self, message: Message) -> Rejected | None:
        """Count the delivery. A message that ended too many processes is rejected, and not handled again."""
        ends = self._deliveries.begin(message)
        if not ends.too_many:
            return None
        return Rejected(DemixerError(kills=ends.kills, crashes=ends.crashes), decode_or_none(message.value))

    def _note_crash(self, message: Message) -> None:
        self._deliveries.end(message, crashed=True)
        log.error("%s: handling %s crashed", self.name, name_of(message))

    def _settle(self, message: Message, outcome: Outcome) -> None:
        """Act on the outcome, and let the partition go on: now, or after a pause where the message is to come again."""
        self._deliveries.end(message)
        try:
            is_ours = self._subscription.owns(message)
            if not (is_ours and isinstance(outcome, Done)):
                self._flush()  # perhaps no commit follows, and the handler may have saved events all the same
        except Transient as error:
            log.warning("%s: %s comes again in %.1f s: %s", self.name, name_of(message), ENGINE_RETRY_SECONDS, error)
            self._retry_in(ENGINE_RETRY_SECONDS, message)
            return
        if not is_ours:
            log.warning("%s: %s went to another member", self.name, name_of(message))
            types = outcome.types if isinstance(outcome, Done) else (type_of(message),)
            metrics.count_outcome(self.name, "elsewhere", *types)
            self._subscription.resume(message)
            return
        seconds = self._outcomes.handle(message, outcome)
        if seconds is not None:
            self._commits.commit_due(early=True)  # what is done before it need not come again with it
            self._retry_in(seconds, message)
        elif not self._commits.holds(message):  # else it was never paused
            self._subscription.resume(message)

    def _retry_in(self, seconds: float, message: Message) -> None:
        self._subscription.pause(message)
        self._retries[message.topic_partition] = self._clock() + seconds, message

    def _finish(self) -> None:
        """Settle the work that ends in time. The rest is done again by the next process."""
        if self._slots is None:
            return
        self._slots.wait_for_all(STOP_SECONDS)
        with contextlib.suppress(Transient):  # an engine is busy: that is done again, too
            self._settle_finished(self._slots)

    def _leave(self) -> None:
        self._stopping.set()
        for message in self._slots.running if self._slots is not None else ():
            self._deliveries.end(message)
        self._deliveries.close()
        try:
            self._commits.commit_due(early=True)
            self._flush()
        finally:
            self._subscription.close()
            self._consumer.close()
