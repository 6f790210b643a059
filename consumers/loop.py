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
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

from consumers import metrics
from consumers.commits import ENGINE_SECONDS, Commits
from consumers.consumer import Consumer, Context
from consumers.deliveries import Deliveries
from consumers.endings import Endings, name_of
from consumers.executors import Executor, Inline, Threads
from consumers.outcomes import Outcome, Rejected, attempt, readable, unasked
from consumers.retries import Retries
from demixer.errors import DemixerError, Transient
from demixer.house import House
from demixer.ports import Message, Place

QUIET_SECONDS = 1.0  # of one poll when nothing is in hand
BUSY_SECONDS = 0.05  # between two polls while work goes on beside them, or of one while a retry is due
HELP_SECONDS = 2.0  # between two looks of an idle member for work that waits elsewhere
STUCK_SECONDS = 60.0  # without coming round: a turn takes one poll, and what a handler that is not long work takes
STOP_SECONDS = 3.0  # for work in hand once a stop is asked for; the supervisor waits 3.6

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    message: Message
    future: "Future[Outcome]"


@dataclass(slots=True)
class _Desk:
    """What is in hand, by partition; all of these are paused, but for what is done at once."""

    running: dict[Place, _Job] = field(default_factory=dict)
    waiting: dict[Place, Message] = field(default_factory=dict)  # for a place to run
    resting: dict[Place, tuple[float, Message]] = field(default_factory=dict)  # until their next try

    def __bool__(self) -> bool:
        return bool(self.running or self.waiting or self.resting)


class Loop:
    """One member of the consumer's group. `run` it in one thread; `stop` may be called from any, at any time.

    `clock` in seconds, `retries` and `patience` (seconds of one quiet poll) are for tests.
    """

    def __init__(
        self,
        house: House,
        consumer: Consumer,
        *,
        member: str,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = QUIET_SECONDS,
        retries: Retries | None = None,
    ) -> None:
        self.name, self._member = consumer.name, member
        self._house, self._consumer = house, consumer
        self._subscription = house.events.subscribe(consumer.topics, group=consumer.name, member=member)
        self._deliveries = Deliveries(house.settings.data_dir / "deliveries" / consumer.name)
        self._executor = executor or (Threads(consumer.at_once, consumer.name) if consumer.at_once else Inline())
        self._commits = Commits(self._subscription, house.flush, clock, together=self._executor.immediate)
        self._endings = Endings(house, consumer, self._commits, retries or Retries(consumer.retries))
        self._clock, self._patience = clock, patience
        self._desk = _Desk()
        self._stopping = threading.Event()
        self._helped = self._came_round = clock()
        self._helping: Future[None] | None = None

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

    def _run_patiently(self) -> None:
        try:
            self._run_once()
        except Transient as error:
            log.warning("%s: an engine is busy, asking again: %s", self.name, error)
            self._stopping.wait(ENGINE_SECONDS)

    def _run_once(self) -> None:
        self._came_round = self._clock()
        self._wake()
        self._settle_all()
        message = self._next()
        if message is not None:
            self._take_up(message)
        self._start_waiting()
        self._help_out()

    def _next(self) -> Message | None:
        """What is here already goes before a commit that is not due."""
        self._commits.make()
        if self._commits and (message := self._subscription.poll(0)):
            return message
        self._commits.make(early=True)
        soon = min(BUSY_SECONDS, self._patience)
        if self._desk.running:
            return self._next_beside_work(soon)
        return self._subscription.poll(soon if self._desk or self._commits else self._patience)

    def _next_beside_work(self, soon: float) -> Message | None:
        """The end of a job is heard at once: others wait for what it publishes. What comes meanwhile waits `soon`."""
        message = self._subscription.poll(0)
        if message is None:
            wait([job.future for job in self._desk.running.values()], timeout=soon, return_when=FIRST_COMPLETED)
        return message

    def _wake(self) -> None:
        now = self._clock()
        for place, (due, message) in list(self._desk.resting.items()):
            if due <= now:
                del self._desk.resting[place]
                self._subscription.resume(message)

    def _take_up(self, message: Message) -> None:
        """What is done at once needs no pause, which costs an engine what it has fetched beforehand."""
        if self._executor.immediate and not self._desk.waiting:
            self._start(message)
        else:
            self._subscription.pause(message)
            self._desk.waiting[message.place] = message

    def _start_waiting(self) -> None:
        """The oldest first, whatever partition it came from: first come, first served. Never two of one partition."""
        for message in sorted(self._desk.waiting.values(), key=lambda message: message.time):
            if len(self._desk.running) + bool(self._helping) >= self._executor.places:
                return
            if message.place not in self._desk.running:
                self._start_if_ours(message)

    def _start_if_ours(self, message: Message) -> None:
        ours = self._subscription.owns(message)
        del self._desk.waiting[message.place]
        if ours:
            self._start(message)
        else:
            self._subscription.resume(message)

    def _start(self, message: Message) -> None:
        before = self._deliveries.began(message)
        if before.hopeless:
            self._deliveries.ended(message)
            error = DemixerError(deaths=before.deaths, crashes=before.crashes)
            self._act_on(message, Rejected(error, readable(message.value)))
            return
        context = Context(self._house, self._stopping.is_set, self._member)
        handle = self._consumer.handle
        future = self._executor.submit(lambda: attempt(message.value, lambda event: handle(event, context)))
        self._desk.running[message.place] = _Job(message, future)
        if future.done():
            self._settle(self._desk.running[message.place])

    def _settle_all(self) -> None:
        self._settle_help()
        for job in list(self._desk.running.values()):
            if job.future.done():
                self._settle(job)

    def _settle(self, job: _Job) -> None:
        """Raises what the handler raised."""
        ours = self._subscription.owns(job.message)
        del self._desk.running[job.message.place]
        outcome = self._outcome(job, ours=ours)
        if ours:
            self._act_on(job.message, outcome)
        else:
            log.warning("%s: %s is somebody else's now", self.name, name_of(job.message))
            metrics.ended(self.name, job.message, "elsewhere")
            self._subscription.resume(job.message)

    def _outcome(self, job: _Job, *, ours: bool) -> Outcome:
        crashed = job.future.exception() is not None
        self._deliveries.ended(job.message, crashed=crashed, ours=ours)
        if crashed:
            log.error("%s: %s was too much", self.name, name_of(job.message))
        return job.future.result()

    def _act_on(self, message: Message, outcome: Outcome) -> None:
        seconds = self._endings.of(message, outcome)
        if seconds is None:
            self._go_on(message)
        else:
            self._commits.make(early=True)  # what is done before it need not come again with it
            self._subscription.pause(message)
            self._desk.resting[message.place] = self._clock() + seconds, message

    def _go_on(self, message: Message) -> None:
        if not self._commits.holds(message):  # never paused, then
            self._subscription.resume(message)

    def _help_out(self) -> None:
        """Work in hand that has no message: what becomes of it is the consumer's own business."""
        help_out = self._consumer.help_out
        if help_out is None or self._desk or self._helping or self._clock() - self._helped < HELP_SECONDS:
            return
        self._helped = self._clock()
        context = Context(self._house, self._stopping.is_set, self._member)
        self._helping = self._executor.submit(lambda: unasked(lambda: help_out(context)))

    def _settle_help(self) -> None:
        """Raises what the helping raised that nobody foresaw."""
        if self._helping is not None and self._helping.done():
            helped, self._helping = self._helping, None
            helped.result()

    def _finish(self) -> None:
        """What ends in time counts; the rest is done again by the next process."""
        futures: list[Future[Any]] = [job.future for job in self._desk.running.values()]
        wait([*futures, *([self._helping] if self._helping else [])], timeout=STOP_SECONDS)
        with contextlib.suppress(Transient):  # an engine is busy: then that is done again, too
            self._settle_all()

    def _leave(self) -> None:
        self._stopping.set()
        for job in self._desk.running.values():
            self._deliveries.ended(job.message)
        self._deliveries.close()
        try:
            self._commits.make(early=True)
        finally:
            self._subscription.close()
            self._consumer.close()
