"""What only Kafka does: members known by their name, and fetching held back for a partition that nobody empties."""

import time
from collections.abc import Iterator

import pytest

from demixer.adapters.kafka.event_log import KafkaEvents
from demixer.adapters.kafka.prefetch_queue import HIGH_WATER
from demixer.adapters.kafka.subscriptions import Membership
from demixer.ports import Message
from tests.contract.events import PATIENCE, received, records, shared
from tests.contract.kafka_worlds import SHORT_TIMEOUTS, MockCluster, four, with_options
from tests.servers import Engine

# The played cluster waits 3 s for all who join, and gives the partitions of one that leaves to others after 2.5.
STATIC = "session.timeout.ms=3500&heartbeat.interval.ms=200&max.poll.interval.ms=10000"
AWAY_SECONDS = 3.0

pytestmark = pytest.mark.slow


@pytest.fixture
def log(kafka: Engine) -> Iterator[KafkaEvents]:
    log = KafkaEvents(with_options(kafka.fresh(), SHORT_TIMEOUTS), partitions=four)
    yield log
    log.close()


@pytest.fixture
def played() -> Iterator[KafkaEvents]:
    cluster = MockCluster("many")
    log = KafkaEvents(with_options(cluster.url, STATIC), partitions=four)
    yield log
    log.close()


def test_a_paused_partition_delays_no_other_and_loses_nothing(log: KafkaEvents) -> None:
    log.publish(records("many", 3 * HIGH_WATER))
    member = log.subscribe(["many"], group="g", member="m")
    (first,) = received(member)
    member.pause(first)
    others = 3 * HIGH_WATER - sum(one.partition == first.partition for one in everything(log))
    for message in received(member, others):
        assert message.partition != first.partition
        member.commit(message)
    assert member.poll(0.5) is None
    member.resume(first)
    rest = received(member, 3 * HIGH_WATER - others)
    assert [one.offset for one in rest] == list(range(len(rest)))


def everything(log: KafkaEvents) -> list[Message]:
    browser = log.browse(["many"], from_start=True)
    return list(iter(lambda: browser.poll(0), None))


def done(count: int, *members: Membership) -> list[set[int]]:
    """`members` get and commit `count` messages together: of which partitions, each."""
    messages = shared(count, *members)
    for member, mine in zip(members, messages, strict=True):
        for message in mine:
            member.commit(message)
    return [{message.partition for message in mine} for mine in messages]


def two_members(log: KafkaEvents) -> tuple[Membership, Membership]:
    """Who have joined, and have two partitions each."""
    a, b = (log.subscribe(["many"], group="g", member=name) for name in ("a", "b"))
    deadline = time.monotonic() + PATIENCE
    while (len(a._queues), len(b._queues)) != (2, 2):
        assert time.monotonic() < deadline, "they do not share"
        assert (a.poll(0.01), b.poll(0.01)) == (None, None)
    return a, b


def polled_for(seconds: float, member: Membership) -> list[Message]:
    found: list[Message] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        message = member.poll(0.05)
        found.extend([message] if message else [])
    return found


def test_a_member_that_left_finds_its_partitions_waiting_when_it_comes_back(played: KafkaEvents) -> None:
    a, b = two_members(played)
    played.publish(records("many", 40))
    mine, theirs = done(40, a, b)
    assert (len(mine), len(mine | theirs)) == (2, 4)
    a.close()
    played.publish(records("many", 40))
    meanwhile = polled_for(AWAY_SECONDS, b)
    assert {message.partition for message in meanwhile} == theirs
    back = played.subscribe(["many"], group="g", member="a")
    assert done(40 - len(meanwhile), back, b) == [mine, set()]
    played.publish(records("many", 40))
    assert done(40, back, b) == [mine, theirs]


def test_a_member_that_stays_away_is_replaced(played: KafkaEvents) -> None:
    a, b = two_members(played)
    played.publish(records("many", 40))
    assert all(done(40, a, b))
    a.close()
    played.publish(records("many", 40))
    assert done(40, b) == [{0, 1, 2, 3}]
