"""The loop that all consumers share: poll, handle, commit after the effects; retry, dead letter, or stop.

Whatever a handler does, polling goes on. A partition whose message is in hand elsewhere, or waits for its next try, is
paused; the others flow. A message is committed only when it is done, or dead and written down as such. Work in hand
for a partition that went to another member is finished, not committed: the other one gets the message, and finds it
done.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import ParamSpec

from consumers.framework import metrics
from consumers.framework.backoff import Retries
from consumers.framework.commits import ENGINE_SECONDS, Commits
from consumers.framework.consumer import Consumer, Context
from consumers.framework.delivery_counter import Deliveries
from consumers.framework.executors import Executor, Threads
from consumers.framework.outcome_handler import Endings, name_of, type_of
from consumers.framework.outcomes import Done, Outcome, Rejected, attempt, readable
from consumers.framework.task_slots import Desk
from demixer.domain import Event
from demixer.domain.errors import DemixerError, Transient
from demixer.ports import Message, TopicPartition
from demixer.wiring import Services

QUIET_SECONDS = 1.0  # of one poll when nothing is in hand
BUSY_SECONDS = 0.05  # between two polls while work goes on beside them, or of one while a retry is due
RUN_SECONDS = 0.02  # of messages done one after the other without a look at the engine
STUCK_SECONDS = 60.0  # without coming round: a turn takes one poll, and what a handler that is not long work takes
STOP_SECONDS = 3.0  # for work in hand once a stop is asked for; the supervisor waits 3.6

P = ParamSpec("P")

log = logging.getLogger(__name__)


class Loop:
    """One member of the consumer's group. `run` it in one thread; `stop` may be called from any, at any time.

    `clock` in seconds, `retries` and `patience` (seconds of one quiet poll) are for tests.
    """

    def __init__(
        self,
        services: Services,
        consumer: Consumer,
        *,
        member: str,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = QUIET_SECONDS,
        retries: Retries | None = None,
    ) -> None:
        self.name, self._consumer = consumer.name, consumer
        self._stopping = threading.Event()
        context = Context(self._stopping.is_set, member)
        self._handle: Callable[[Event], None] = lambda event: consumer.handle(event, context)
        self._subscription = services.events.subscribe(consumer.topics, group=consumer.name, member=member)
        self._deliveries = Deliveries(services.settings.data_dir / "deliveries" / consumer.name)
        self._desk = _desk_of(consumer, context, executor, clock)
        self._commits = Commits(self._subscription, services.flush, clock, together=self._desk is None)
        self._endings = Endings(services, consumer, self._commits, retries or Retries(consumer.retries))
        self._resting: dict[TopicPartition, tuple[float, Message]] = {}  # until their next try
        self._clock, self._patience, self._soon = clock, patience, min(BUSY_SECONDS, patience)
        self._came_round = clock()
        self._doing: Message | None = None  # at once
        metrics.in_hand(self.name, self._in_hand)

    def run(self) -> None:
        """Until `stop`. Raises `BreakerOpen`, and whatever the handler raises that nobody foresaw."""
        try:
            while not self._stopping.is_set():
                self._run_patiently()
            self._finish()
        finally:
            self._leave()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def stuck(self) -> bool:
        """May be asked from any thread."""
        return self._clock() - self._came_round > STUCK_SECONDS

    def _in_hand(self) -> int:
        return bool(self._doing) + len(self._desk.running if self._desk else ())

    def _run_patiently(self) -> None:
        try:
            self._run_once()
        except Transient as error:
            log.warning("%s: an engine is busy, asking again: %s", self.name, error)
            self._stopping.wait(ENGINE_SECONDS)

    def _run_once(self) -> None:
        self._came_round = self._clock()
        if self._resting:
            self._wake()
        if self._desk is None:
            self._do_next()
        else:
            self._go_on_with(self._desk)

    def _wake(self) -> None:
        now = self._clock()
        for place, (due, message) in list(self._resting.items()):
            if due <= now:
                del self._resting[place]
                self._subscription.resume(message)

    def _do_next(self) -> None:
        """At once, which needs no pause of its partition; then what follows there, as long as all goes well."""
        message, until = self._next(), self._clock() + RUN_SECONDS
        last: Message | None = None
        types: list[str] = []
        try:
            while message is not None and isinstance(outcome := self._do(message), Done):
                last, message = message, self._subscription.next_buffered(message) if self._clock() < until else None
                types += outcome.types
        finally:
            self._doing = None
            if last is not None:
                self._settle(last, Done(*types))
        if message is not None:
            self._settle(message, outcome)

    def _do(self, message: Message) -> Outcome:
        self._doing = message
        return self._refusal(message) or self._noted(message, attempt, message.value, self._handle)

    def _next(self) -> Message | None:
        """What is here already goes before a commit that is not due."""
        self._commits.make()
        if self._commits and (message := self._subscription.poll(0)):
            return message
        self._commits.make(early=True)
        return self._subscription.poll(self._quiet)

    def _go_on_with(self, desk: Desk) -> None:
        self._settle_all(desk)
        message = self._next_beside(desk)
        if message is not None:
            self._subscription.pause(message)
            desk.put(message)
        self._start_waiting(desk)
        if desk.idle and not self._resting:
            desk.help_out()

    def _next_beside(self, desk: Desk) -> Message | None:
        """The end of a job is heard at once: others wait for what it publishes. What comes meanwhile waits `_soon`."""
        self._commits.make(early=True)
        if not desk.running:
            return self._subscription.poll(self._quiet if desk.idle else self._soon)
        message = self._subscription.poll(0)
        if message is None:
            desk.wait_for_one(self._soon)
        return message

    @property
    def _quiet(self) -> float:
        """Seconds of a poll when nothing is in hand."""
        return self._soon if self._resting or self._commits else self._patience

    def _start_waiting(self, desk: Desk) -> None:
        while message := desk.next():
            ours = self._subscription.owns(message)
            desk.take(message)
            if not ours:
                self._subscription.resume(message)
            elif refusal := self._refusal(message):
                self._settle(message, refusal)
            else:
                desk.start(message, partial(attempt, message.value, self._handle))

    def _settle_all(self, desk: Desk) -> None:
        for message, result in desk.ended():
            self._settle(message, self._noted(message, result))

    def _refusal(self, message: Message) -> Rejected | None:
        """Of a message that is not even tried any more."""
        before = self._deliveries.began(message)
        if not before.hopeless:
            return None
        return Rejected(DemixerError(deaths=before.deaths, crashes=before.crashes), readable(message.value))

    def _noted(self, message: Message, work: Callable[P, Outcome], *known: P.args, **more: P.kwargs) -> Outcome:
        """Raises what the handler raised."""
        try:
            return work(*known, **more)
        except BaseException:
            self._deliveries.ended(message, crashed=True)
            log.error("%s: %s was too much", self.name, name_of(message))
            raise

    def _settle(self, message: Message, outcome: Outcome) -> None:
        """Of the message, and where it is done of those right before it. What cannot be settled now comes again."""
        self._deliveries.ended(message)
        try:
            ours = self._subscription.owns(message)
        except Transient as error:
            log.warning("%s: %s again in %.1f s: %s", self.name, name_of(message), ENGINE_SECONDS, error)
            self._rest(message, ENGINE_SECONDS)
        else:
            if ours:
                self._act_on(message, outcome)
            else:
                self._leave_to_others(message, outcome)

    def _leave_to_others(self, message: Message, outcome: Outcome) -> None:
        log.warning("%s: %s is somebody else's now", self.name, name_of(message))
        types = outcome.types if isinstance(outcome, Done) else (type_of(message),)
        metrics.ended(self.name, "elsewhere", *types)
        self._subscription.resume(message)

    def _act_on(self, message: Message, outcome: Outcome) -> None:
        seconds = self._endings.of(message, outcome)
        if seconds is None:
            self._go_on(message)
        else:
            self._commits.make(early=True)  # what is done before it need not come again with it
            self._rest(message, seconds)

    def _rest(self, message: Message, seconds: float) -> None:
        self._subscription.pause(message)
        self._resting[message.topic_partition] = self._clock() + seconds, message

    def _go_on(self, message: Message) -> None:
        if not self._commits.holds(message):  # never paused, then
            self._subscription.resume(message)

    def _finish(self) -> None:
        """What ends in time counts; the rest is done again by the next process."""
        if self._desk is not None:
            self._desk.wait_for_all(STOP_SECONDS)
            with contextlib.suppress(Transient):  # an engine is busy: then that is done again, too
                self._settle_all(self._desk)

    def _leave(self) -> None:
        self._stopping.set()
        for message in self._desk.running if self._desk is not None else ():
            self._deliveries.ended(message)
        self._deliveries.close()
        try:
            self._commits.make(early=True)
        finally:
            self._subscription.close()
            self._consumer.close()


def _desk_of(
    consumer: Consumer, context: Context, executor: Executor | None, clock: Callable[[], float]
) -> Desk | None:
    """None for a consumer whose work is done at once."""
    if executor is None and not consumer.at_once:
        return None
    help_out = consumer.help_out and partial(consumer.help_out, context)
    return Desk(executor or Threads(consumer.at_once, consumer.name), help_out, clock)
