"""The contract of the event log on Kafka. Joining a group takes the test broker about a second: those tests are slow."""

import functools
import time

import pytest

from demixer.backends.kafka_events import KafkaEvents
from demixer.house import utc_now
from tests.contract.events import EventLogContract, World
from tests.servers import Engine

IMPATIENT = "session.timeout.ms=2000&heartbeat.interval.ms=300&max.poll.interval.ms=4000"


def four(topic: str) -> int:
    return 4 if topic == "many" else 1


def impatient(url: str) -> str:
    """Groups that give up a silent member after 2.5 s, and one whose process ended after 1 s."""
    return f"{url}{'&' if '?' in url else '?'}{IMPATIENT}"


def let_pass(seconds: float) -> None:
    """The member that is given up after 60 s is given up after 2.5 here, and 15 s are time enough for that."""
    time.sleep(seconds / 3)


@pytest.fixture
def url(kafka: Engine) -> str:
    return impatient(kafka.fresh())


class TestKafkaEvents(EventLogContract):
    @pytest.fixture
    def world(self, url: str) -> World:
        open_log = functools.partial(KafkaEvents, url, partitions=four)
        return World(open_log=open_log, one="one", many="many", now=utc_now, let_pass=let_pass, quiet=0.5)
