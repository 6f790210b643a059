"""The event log: records by topic and key, and the subscriptions that read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

TopicPartition = tuple[str, int]  # topic, by its plain name, and partition


class Record(NamedTuple):
    """Something to publish: bytes under a key. Records with the same key keep their order."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = MappingProxyType({})


class Message(NamedTuple):
    """A record as it was read, with its partition and offset. A tuple, since tuples are quick to make."""

    topic: str
    key: str
    value: bytes
    partition: int
    offset: int
    time: datetime
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def topic_partition(self) -> TopicPartition:
        return self.topic, self.partition


class Subscription(Protocol):
    """Reads some topics, for one thread."""

    def poll(self, timeout: float) -> Message | None:
        """The next message of a partition that is assigned to us and not paused. Waits up to `timeout` seconds for one.

        Polling is also the heartbeat: a member whose process ended loses its partitions to the others of its group
        within 15 s, one that lives but stopped polling within a minute. A message is given again, to the member that
        holds the partition then, until an offset past it is committed. Within a partition the order is that of
        publishing.
        """

    def next_buffered(self, message: Message) -> Message | None:
        """The next message of the same partition, if it has been fetched already. Does not block."""

    def commit(self, *messages: Message) -> None:
        """Each, and all before it in its partition, is done and not given again. Partitions of others are ignored."""

    def pause(self, message: Message) -> None:
        """Give no messages of this partition until `resume`. It stays assigned, and `poll` goes on for the others."""

    def resume(self, message: Message) -> None:
        """Undo `pause`. The next `poll` of this partition starts after the last committed offset."""

    def owns(self, message: Message) -> bool:
        """Whether the partition of `message` is still assigned to us. If not, its work must not be committed."""

    def close(self) -> None:
        """Leave the group. The others get what was not committed: at once, or within 15 s where the engine waits for a
        member of the same name to come back."""


class EventLog(Protocol):
    """An append-only log of topics, with an offset per consumer group."""

    def publish(self, records: Sequence[Record]) -> None:
        """Append, in order. Returns when all are durable; raises `Transient` when none or only some may be."""

    def subscribe(self, topics: Sequence[str], *, group: str, member: str) -> Subscription:
        """Join `group`. A new group starts at the oldest record. Partitions are assigned to the live members;
        a `member` that comes back under its old name gets its partitions back without waiting."""

    def browse(self, topics: Sequence[str], *, from_start: bool) -> Subscription:
        """Read outside any group: from the oldest record, or only what is published from now on.

        `commit` does nothing. From the start, `poll` gives None only after all that was there at this call has been
        given, for any `timeout`, and raises `Transient` where the engine stops answering before.
        """

    def lag(self, group: str) -> Mapping[str, int]:
        """How many records of each topic `group` has not committed yet, for the topics it ever subscribed to."""

    def trim(self, topic: str, before: datetime) -> int:
        """Delete the records of `topic` older than `before`, where the engine does not do so by itself, by the
        retention of its topics. Returns how many, 0 where the engine does it."""

    def create_topics(self, topics: Sequence[str]) -> Sequence[str]:
        """Create the topics that do not exist, and add partitions to those with too few. Returns the names of both.
        Optional: `publish`, `subscribe` and `browse` create topics too."""

    def close(self) -> None: ...
