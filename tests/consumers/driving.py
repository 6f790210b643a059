"""Loops driven by hand, one step at a time, with a clock and an executor that do nothing by themselves."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from consumers.framework.backoff import Retries
from consumers.framework.consumer import Consumer
from consumers.framework.executors import Executor
from consumers.framework.loop import Loop
from demixer.adapters.kafka.offsets import Offsets
from demixer.adapters.kafka.subscriptions import Membership
from demixer.domain import Event, Upload
from demixer.ports import Message, Record, Subscription
from demixer.services import outbox
from demixer.wiring import House
from tests import engines
from tests.houses import Clock
from tests.ways import sent

T = TypeVar("T")
JOINED_WITHIN = 6.0  # seconds


class ByHand:
    """Jobs wait until the test runs them."""

    def __init__(self, places: int = 1) -> None:
        self.places = places
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
    house: House, consumer: Consumer, clock: Clock, *, executor: Executor | None = None, member: str = "one"
) -> Loop:
    """Without an `executor` whatever it does is done at once."""
    retries = Retries(consumer.retries, chance=lambda: 1.0)
    return Loop(
        house,
        consumer if executor else replace(consumer, at_once=0),
        member=member,
        executor=executor,
        clock=clock.monotonic,
        patience=0.02 if engines.in_use else 0,
        retries=retries,
    )


def steps(loop: Loop, count: int = 20) -> None:
    """On servers a member must have joined its group first, and what is not there yet may be on the way."""
    if engines.in_use:
        steps_on_servers(loop, count)
    else:
        for _ in range(count):
            loop._run_once()


def steps_on_servers(loop: Loop, count: int) -> None:
    """Steps of an idle loop do not count while something is on the way. The last one finds nothing."""
    messages = watched(loop)
    while count > 0:
        taken, awaited = messages.count, messages.more_to_come()
        loop._run_once()
        if messages.count > taken:
            count -= 1
        elif not awaited:
            return


def watched(loop: Loop) -> "Watched":
    if not isinstance(loop._subscription, Watched):
        loop._subscription = Watched(loop._subscription)
    return loop._subscription


class Watched:
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
        """Whether a record of a partition that is ours, and not paused, was not handed out yet: the brokers know."""
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
    """Not all members of a group hold something; who holds nothing after a while will not."""
    deadline = time.monotonic() + JOINED_WITHIN
    while not membership._queues and time.monotonic() < deadline:
        membership._receive(0.02)


def drained(house: House, clock: Clock, *consumers: Consumer) -> None:
    """Every consumer in turn, each as a process of its own, until nothing is left to do."""
    for consumer in consumers:
        loop = loop_of(house, consumer, clock)
        steps(loop)
        loop._leave()


def publish(house: House, *events: Event) -> None:
    outbox.publish(house.events, events)


def publish_bytes(house: House, topic: str, value: bytes, key: str = "key", **headers: str) -> None:
    house.events.publish([Record(topic=topic, key=key, value=value, headers=headers)])


def some_uploads(house: House, count: int) -> list[Upload]:
    """Each published as `upload.received`."""
    return [sent(house, data=f"song {number}".encode()) for number in range(count)]


def letters(house: House, topic: str) -> list[Message]:
    subscription = house.events.browse([f"{topic}.dead"], from_start=True)
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
