"""Kafka for tests: groups that lose patience soon, and a cluster that librdkafka plays itself."""

import time

from confluent_kafka import Producer

# librdkafka gives up a member that is silent for 4 s, and the brokers one whose process ended after 2
IMPATIENT = "session.timeout.ms=2000&heartbeat.interval.ms=300&max.poll.interval.ms=4000"


def four(topic: str) -> int:
    return 4 if topic == "many" else 1


def with_options(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{options}"


def let_pass(seconds: float) -> None:
    """A silent member is gone after 4 s instead of 60, so 15 s pass in five."""
    time.sleep(seconds / 3)


class PlayedCluster:
    """The mock cluster inside librdkafka: knows static membership, which the test broker does not; not how to make
    topics. Those that are published to have four partitions."""

    def __init__(self, *topics: str) -> None:
        self._host = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._host.list_topics(timeout=10).brokers.values()
        self.url = f"kafka://{','.join(f'{broker.host}:{broker.port}' for broker in brokers)}"
        for topic in topics:
            self._host.list_topics(topic, timeout=10)
