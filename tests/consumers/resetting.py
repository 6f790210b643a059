"""A consumer group without members is reset, as an operator does it."""

import time

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.framework.consumer import Consumer
from demixer.adapters.kafka.client import ErrorReporter
from demixer.adapters.kafka.event_log import KafkaEvents
from demixer.adapters.kafka.offsets import Offsets
from demixer.adapters.sqlite.event_log import SqliteEvents
from demixer.wiring import Services

EMPTY_WITHIN = 10.0  # seconds: brokers that know members by their name wait for one that left


def to_the_beginning(services: Services, consumer: Consumer) -> None:
    """The group reads all of its topics again."""
    if isinstance(services.events, KafkaEvents):
        _on_kafka(services.events, consumer)
    else:
        assert isinstance(services.events, SqliteEvents)
        with services.events._database.write() as connection:
            connection.execute("UPDATE offsets SET next = 0 WHERE in_group = ?", (consumer.name,))


def _on_kafka(events: KafkaEvents, consumer: Consumer) -> None:
    cluster = events._cluster
    client = Client(cluster.properties_with({}, ErrorReporter("resetting"), group_id=cluster.name(consumer.name)))
    partitions = [each for each in Offsets(cluster, client).partitions() if each[0] in consumer.topics]
    _commit(client, [cluster.kafka_partition(each, 0) for each in partitions])
    client.close()


def _commit(client: Client, offsets: list[KafkaPartition]) -> None:
    deadline = time.monotonic() + EMPTY_WITHIN
    while True:
        try:
            client.commit(offsets=offsets, asynchronous=False)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
