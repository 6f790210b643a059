"""Kafka for tests: groups with short timeouts, and the mock cluster of librdkafka."""

import time

from confluent_kafka import Producer

# A member that does not poll leaves the group after 4 s; the brokers remove one whose process ended after 2.
SHORT_TIMEOUTS = "session.timeout.ms=2000&heartbeat.interval.ms=300&max.poll.interval.ms=4000"


def four(topic: str) -> int:
    return 4 if topic == "many" else 1


def with_options(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{options}"


def let_pass(seconds: float) -> None:
    """A member that does not poll is removed after 4 s instead of 60, so a third of the time is enough."""
    time.sleep(seconds / 3)


class MockCluster:
    """The mock cluster inside librdkafka. It has static membership, which the test broker has not, but cannot create
    topics: those that are published to have four partitions."""

    def __init__(self, *topics: str) -> None:
        self._host = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._host.list_topics(timeout=10).brokers.values()
        self.url = f"kafka://{','.join(f'{broker.host}:{broker.port}' for broker in brokers)}"
        for topic in topics:
            self._host.list_topics(topic, timeout=10)
