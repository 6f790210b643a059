"""The first, the end and the committed offsets of the partitions of our topics."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.adapters.kafka.client import ANSWER_SECONDS, Cluster, ErrorReporter, translated, translation
from demixer.ports import TopicPartition

PartitionOffsets = Mapping[TopicPartition, int]


class Offsets:
    """Asked of the brokers through `consumer`, each in one round trip. Raises `Transient`."""

    def __init__(self, cluster: Cluster, consumer: Consumer) -> None:
        self._cluster, self._consumer = cluster, consumer

    def partitions(self) -> list[TopicPartition]:
        """All partitions of all our topics."""
        with translated():
            topics = self._consumer.list_topics(timeout=ANSWER_SECONDS).topics
        counts = self._cluster.ours({name: len(topic.partitions) for name, topic in topics.items() if not topic.error})
        return [(topic, number) for topic, count in counts.items() for number in range(count)]

    def first(self, partitions: Iterable[TopicPartition]) -> PartitionOffsets:
        """The offset of the oldest record."""
        return self._at(partitions, OFFSET_BEGINNING)

    def end(self, partitions: Iterable[TopicPartition]) -> PartitionOffsets:
        """The offset that the next record will have."""
        return self._at(partitions, OFFSET_END)

    def committed(self, partitions: Collection[TopicPartition]) -> PartitionOffsets:
        """Of the group of the consumer; without the partitions that it has committed nothing of."""
        asked = [self._cluster.kafka_partition(partition, 0) for partition in partitions]
        with translated():
            found = self._consumer.committed(asked, timeout=ANSWER_SECONDS)
        return {partition: offset for partition, offset in self._offsets(found).items() if offset >= 0}

    def _at(self, partitions: Iterable[TopicPartition], which: int) -> PartitionOffsets:
        """As `ListOffsets` of the protocol: in the place of a time, `which` means the beginning or the end."""
        asked = [self._cluster.kafka_partition(partition, which) for partition in partitions]
        with translated():
            found = self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
        return self._offsets(found)

    def _offsets(self, found: Iterable[KafkaPartition]) -> dict[TopicPartition, int]:
        offsets = {}
        for each in found:
            if each.error is not None:
                raise translation(each.error)
            offsets[self._cluster.topic_partition(each.topic, each.partition)] = each.offset
        return offsets


def lag(cluster: Cluster, group: str) -> Mapping[str, int]:
    """As `demixer.ports.EventLog.lag`. What retention has removed does not count as waiting."""
    properties: dict[str, Any] = cluster.properties_with({}, ErrorReporter("lag"), group_id=cluster.name(group))
    consumer = Consumer(properties)
    try:
        offsets = Offsets(cluster, consumer)
        all_ = offsets.partitions()
        committed = offsets.committed(all_)
        topics = {topic for topic, _ in committed}
        asked = [(topic, number) for topic, number in all_ if topic in topics]
        if not asked:  # the driver refuses a question about nothing
            return {}
        first, end = offsets.first(asked), offsets.end(asked)
    finally:
        consumer.close()
    waiting = dict.fromkeys(topics, 0)
    for partition in asked:
        next_ = max(committed.get(partition, 0), first[partition])
        waiting[partition[0]] += max(0, end[partition] - next_)
    return waiting
