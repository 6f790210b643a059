"""Where the partitions of the topics begin and end, and up to where a group is done."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.adapters.kafka.client import ANSWER_SECONDS, Cluster, Trouble, translated, translation
from demixer.ports import TopicPartition

Places = Mapping[TopicPartition, int]  # with an offset each


class Offsets:
    """Asked of the brokers through `consumer`, each in one round trip. Raises `Transient`."""

    def __init__(self, cluster: Cluster, consumer: Consumer) -> None:
        self._cluster, self._consumer = cluster, consumer

    def places(self) -> list[TopicPartition]:
        """All partitions of all our topics."""
        with translated():
            topics = self._consumer.list_topics(timeout=ANSWER_SECONDS).topics
        counts = self._cluster.ours({name: len(topic.partitions) for name, topic in topics.items() if not topic.error})
        return [(topic, number) for topic, count in counts.items() for number in range(count)]

    def first(self, places: Iterable[TopicPartition]) -> Places:
        return self._at(places, OFFSET_BEGINNING)

    def end(self, places: Iterable[TopicPartition]) -> Places:
        """The offset that the next record will have."""
        return self._at(places, OFFSET_END)

    def committed(self, places: Collection[TopicPartition]) -> Places:
        """Of the group of the consumer; without the partitions that it has committed nothing of."""
        with translated():
            found = self._consumer.committed(self._partitions(places, 0), timeout=ANSWER_SECONDS)
        return {place: offset for place, offset in self._offsets(found).items() if offset >= 0}

    def _at(self, places: Iterable[TopicPartition], which: int) -> Places:
        """As `ListOffsets` of the protocol: a time that is none means the beginning, or the end."""
        with translated():
            found = self._consumer.offsets_for_times(self._partitions(places, which), timeout=ANSWER_SECONDS)
        return self._offsets(found)

    def _partitions(self, places: Iterable[TopicPartition], offset: int) -> list[KafkaPartition]:
        return [KafkaPartition(self._cluster.name(topic), number, offset) for topic, number in places]

    def _offsets(self, found: Iterable[KafkaPartition]) -> dict[TopicPartition, int]:
        return {place_of(self._cluster, one): one.offset for one in map(_sound, found)}


def place_of(cluster: Cluster, partition: KafkaPartition) -> TopicPartition:
    return cluster.plain(partition.topic), partition.partition


def lag(cluster: Cluster, group: str) -> Mapping[str, int]:
    """As `demixer.ports.EventLog.lag`. What retention has removed does not count as waiting."""
    properties: dict[str, Any] = cluster.properties_with({}, Trouble("lag"), group_id=cluster.name(group))
    consumer = Consumer(properties)
    try:
        offsets = Offsets(cluster, consumer)
        all_ = offsets.places()
        done = offsets.committed(all_)
        topics = {topic for topic, _ in done}
        asked = [place for place in all_ if place[0] in topics]
        if not asked:  # the driver refuses a question about nothing
            return {}
        return _waiting(done, offsets.first(asked), offsets.end(asked))
    finally:
        consumer.close()


def _waiting(done: Places, first: Places, end: Places) -> dict[str, int]:
    waiting: dict[str, int] = {}
    for place, last in end.items():
        begun = max(done.get(place, 0), first[place])
        waiting[place[0]] = waiting.get(place[0], 0) + max(0, last - begun)
    return waiting


def _sound(partition: KafkaPartition) -> KafkaPartition:
    if partition.error is not None:
        raise translation(partition.error)
    return partition
