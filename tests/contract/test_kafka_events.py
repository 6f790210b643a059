"""The contract of the event log on Kafka. All slow: joining a group takes the test broker a second or more."""

import functools

import pytest

from demixer.adapters.kafka.event_log import KafkaEvents
from demixer.wiring import utc_now
from tests.contract.events import EventLogContract, World
from tests.contract.kafka_worlds import SHORT_TIMEOUTS, four, let_pass, with_options
from tests.servers import Engine


@pytest.mark.slow
class TestKafkaEvents(EventLogContract):
    @pytest.fixture
    def world(self, kafka: Engine) -> World:
        open_log = functools.partial(KafkaEvents, with_options(kafka.fresh(), SHORT_TIMEOUTS), partitions=four)
        return World(open_log=open_log, one="one", many="many", now=utc_now, let_pass=let_pass, quiet=0.5)
