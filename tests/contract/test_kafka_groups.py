"""What only Kafka does: members known by their name, and fetching held back for a partition that nobody empties."""

from collections.abc import Iterator

import pytest

from demixer.backends.kafka_events import KafkaEvents
from demixer.backends.kafka_lines import FULL
from demixer.ports import Message
from tests.contract.events import numbers, received, records, shared
from tests.contract.kafka_worlds import IMPATIENT, PlayedCluster, four, with_options
from tests.servers import Engine

STATIC = "session.timeout.ms=3000&heartbeat.interval.ms=500&max.poll.interval.ms=10000"

pytestmark = pytest.mark.slow


@pytest.fixture
def log(kafka: Engine) -> Iterator[KafkaEvents]:
    log = KafkaEvents(with_options(kafka.fresh(), IMPATIENT), partitions=four)
    yield log
    log.close()


@pytest.fixture
def played() -> Iterator[KafkaEvents]:
    cluster = PlayedCluster("many")
    log = KafkaEvents(with_options(cluster.url, STATIC), partitions=four)
    yield log
    log.close()


def test_a_paused_partition_holds_up_no_other_and_loses_nothing(log: KafkaEvents) -> None:
    log.publish(records("many", 3 * FULL))
    member = log.subscribe(["many"], group="g", member="m")
    (first,) = received(member)
    member.pause(first)
    others = 3 * FULL - sum(one.partition == first.partition for one in everything(log))
    for message in received(member, others):
        assert message.partition != first.partition
        member.commit(message)
    assert member.poll(0.5) is None
    member.resume(first)
    rest = received(member, 3 * FULL - others)
    assert [one.offset for one in rest] == list(range(len(rest)))


def everything(log: KafkaEvents) -> list[Message]:
    browser = log.browse(["many"], from_start=True)
    return list(iter(lambda: browser.poll(0), None))


def test_a_member_that_left_is_expected_back_and_then_replaced(played: KafkaEvents) -> None:
    played.publish(records("many", 20))
    a = played.subscribe(["many"], group="g", member="a")
    b = played.subscribe(["many"], group="g", member="b")
    for message in received(a, 20):
        a.commit(message)
    a.close()
    played.publish(records("many", 20))
    assert sorted(numbers(shared(20, b)[0])) == list(range(20))
