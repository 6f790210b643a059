"""Loops driven by hand, one step at a time, with a clock and an executor that do nothing by themselves."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from consumers.framework.consumer import Consumer
from consumers.framework.loop import Loop
from consumers.framework.outcome_handler import Backoff
from consumers.framework.task_slots import Executor
from demixer.adapters.kafka.offsets import Offsets
from demixer.adapters.kafka.subscriptions import Membership
from demixer.domain import Event, Upload
from demixer.ports import Message, Record, Subscription
from demixer.services import publishing
from demixer.wiring import Services
from tests import engines
from tests.steps import sent
from tests.wired import Clock

T = TypeVar("T")
JOINED_WITHIN = 6.0  # seconds


class ByHand:
    """Jobs wait until the test runs them."""

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots
        self.jobs: list[Callable[[], None]] = []

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)

        self.jobs.append(run)
        return future

    def run_next(self) -> None:
        self.jobs.pop(0)()


def loop_of(
    services: Services,
    consumer: Consumer,
    clock: Clock,
    *,
    executor: Executor | None = None,
    member: str = "one",
    flush: Callable[[], object] | None = None,
) -> Loop:
    """Without an `executor` messages are handled one by one, in the thread of the loop. Backoff has no jitter."""
    return Loop(
        consumer if executor else replace(consumer, at_once=0),
        log=services.events,
        flush=flush or services.flush,
        counts_dir=services.settings.data_dir / "deliveries",
        now=clock,
        member=member,
        executor=executor,
        clock=clock.monotonic,
        idle_timeout=0.02 if engines.in_use else 0,
        backoff=Backoff(consumer.retries, chance=lambda: 1.0),
    )


def steps(loop: Loop, count: int = 20) -> None:
    """On servers a member has to join its group first, and messages may still be on the way."""
    if engines.in_use:
        steps_on_servers(loop, count)
    else:
        for _ in range(count):
            loop._run_once()


def steps_on_servers(loop: Loop, count: int) -> None:
    """A step without a message does not count while messages are on the way. The last step receives none."""
    messages = counting(loop)
    while count > 0:
        received, more_to_come = messages.count, messages.more_to_come()
        loop._run_once()
        if messages.count > received:
            count -= 1
        elif not more_to_come:
            return


def counting(loop: Loop) -> "CountingSubscription":
    if not isinstance(loop._subscription, CountingSubscription):
        loop._subscription = CountingSubscription(loop._subscription)
    return loop._subscription


class CountingSubscription:
    """A subscription that has joined its group, and counts what it hands out."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription, self.count = subscription, 0
        if isinstance(subscription, Membership):
            joined(subscription)

    def poll(self, timeout: float) -> Message | None:
        message = self._subscription.poll(timeout)
        self.count += message is not None
        return message

    def more_to_come(self) -> bool:
        """Whether the brokers have a record that was not handed out yet, of a partition that is ours and not paused."""
        membership = self._subscription
        if not isinstance(membership, Membership):
            return False
        joined(membership)
        queues = {partition: queue for partition, queue in membership._queues.items() if not queue.paused}
        offsets = Offsets(membership._cluster, membership._consumer)
        committed, ends = offsets.committed(list(queues)), offsets.end(list(queues)) if queues else {}
        at = {partition: max(queue.position, committed.get(partition, 0)) for partition, queue in queues.items()}
        return any(queue.head is not None or at[partition] < ends[partition] for partition, queue in queues.items())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subscription, name)


def joined(membership: Membership) -> None:
    """Waits for partitions. A member that has none after `JOINED_WITHIN` gets none: there may be more members."""
    deadline = time.monotonic() + JOINED_WITHIN
    while not membership._queues and time.monotonic() < deadline:
        membership._receive(0.02)


def drained(services: Services, clock: Clock, *consumers: Consumer) -> None:
    """Every consumer in turn, each as a process of its own, until nothing is left to do."""
    for consumer in consumers:
        loop = loop_of(services, consumer, clock)
        steps(loop)
        loop._leave()


def publish(services: Services, *events: Event) -> None:
    publishing.publish(services.events, events)


def publish_bytes(services: Services, topic: str, value: bytes, key: str = "key", **headers: str) -> None:
    services.events.publish([Record(topic=topic, key=key, value=value, headers=headers)])


def some_uploads(services: Services, count: int) -> list[Upload]:
    """Each published as `upload.received`."""
    return [sent(services, data=f"song {number}".encode()) for number in range(count)]


def letters(services: Services, topic: str) -> list[Message]:
    subscription = services.events.browse([f"{topic}.dead"], from_start=True)
    found = list(iter(lambda: subscription.poll(0), None))
    subscription.close()
    return found


class Recorder:
    """A handler that notes what it got, and does what the test said for it."""

    def __init__(self, then: Callable[[Event, Any], object] = lambda event, context: None) -> None:
        self.then = then
        self.seen: list[str] = []
        self.given_up: list[tuple[str, str]] = []

    def handle(self, event: Event, context: Any) -> None:
        self.seen.append(event.subject)
        self.then(event, context)

    def give_up(self, event: Event, failure: Any, context: Any) -> None:
        self.given_up.append((event.subject, failure.code))

    def consumer(self, **changes: Any) -> Consumer:
        return Consumer(
            **{"name": "test", "topics": ("uploads",), "handle": self.handle, "give_up": self.give_up, **changes}
        )
