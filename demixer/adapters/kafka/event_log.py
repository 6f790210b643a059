"""The event log on Kafka. Decisions: `docs/decisions/0011-kafka.md`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from demixer.adapters.kafka import offsets
from demixer.adapters.kafka.client import cluster_of
from demixer.adapters.kafka.publisher import Publisher
from demixer.adapters.kafka.reader import Reader
from demixer.adapters.kafka.subscriptions import Browser, Membership
from demixer.adapters.kafka.topics import Topics
from demixer.domain.errors import Transient
from demixer.ports import Record

AnyReader = TypeVar("AnyReader", bound=Reader)


class KafkaEvents:
    """`demixer.ports.EventLog`. `partitions` gives how many a topic is made with. Connects when it is first used."""

    def __init__(self, url: str, *, partitions: Callable[[str], int]) -> None:
        self._cluster = cluster_of(url)
        self._topics = Topics(self._cluster, partitions)
        self._publisher = Publisher(self._cluster)
        self._readers: list[Reader] = []

    def publish(self, records: Sequence[Record]) -> None:
        if not records:
            return
        try:
            self._publisher.publish(records, lambda: self._topics.ensure(record.topic for record in records))
        except Transient:
            self._topics.forget()  # somebody may have deleted one
            raise

    def subscribe(self, topics: Sequence[str], *, group: str, member: str) -> Membership:
        def prepare() -> None:
            self._topics.forget()
            self._topics.ensure(topics)

        return self._kept(Membership(self._cluster, topics, group=group, member=member, prepare=prepare))

    def browse(self, topics: Sequence[str], *, from_start: bool) -> Browser:
        self._topics.ensure(topics)
        return self._kept(Browser(self._cluster, topics, from_start=from_start))

    def lag(self, group: str) -> Mapping[str, int]:
        return offsets.lag(self._cluster, group)

    def trim(self, topic: str, before: datetime) -> int:
        """Does nothing: the brokers do it, by the `retention.ms` of each topic."""
        return 0

    def create_topics(self, topics: Sequence[str]) -> Sequence[str]:
        return self._topics.create(topics)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._publisher.close()

    def _kept(self, reader: AnyReader) -> AnyReader:
        self._readers = [each for each in self._readers if not each.closed] + [reader]
        return reader
