"""The event log: records by topic and key, and what a member of a group sees of them."""

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
    """A record as it was read: with its place in the log. A tuple, for there is one of these for every event."""

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
    """One member's view of some topics, owned by one thread."""

    def poll(self, timeout: float) -> Message | None:
        """The next message of a partition that is ours and not paused, waiting up to `timeout` seconds for one.

        Calling it is also the sign of life: a member whose process ended loses its partitions to the others of its
        group within 15 s, one that lives but stopped polling within a minute. A message is given again, to whoever owns
        the partition then, until an offset past it is committed. Within a partition order holds.
        """

    def next_buffered(self, message: Message) -> Message | None:
        """The next of the same partition, if it was fetched already and nothing has to be asked for it."""

    def commit(self, *messages: Message) -> None:
        """Each, and all before it in its partition, is done, for good. A no-op for partitions that are not ours."""

    def pause(self, message: Message) -> None:
        """Stop handing out messages of this partition; keep it. `poll` goes on for the others."""

    def resume(self, message: Message) -> None:
        """Undo `pause`. The next `poll` of this partition starts after the last committed offset."""

    def owns(self, message: Message) -> bool:
        """Whether the partition of `message` is still ours: work for one that is not must not be committed."""

    def close(self) -> None:
        """Leave the group. What was not committed is given to the others: at once, or, where the engine expects a
        member back under its name, within 15 s."""


class EventLog(Protocol):
    """An append-only log of topics, with an offset per consumer group."""

    def publish(self, records: Sequence[Record]) -> None:
        """Append, in order. Returns when all are durable; raises `Transient` when none or only some may be."""

    def subscribe(self, topics: Sequence[str], *, group: str, member: str) -> Subscription:
        """Join `group`. A new group starts at the oldest record. Partitions are shared out among the live members;
        a `member` that comes back under its old name takes its own partitions back without waiting."""

    def browse(self, topics: Sequence[str], *, from_start: bool) -> Subscription:
        """Read alone, outside any group: from the oldest record, or only what is published from now on.

        `commit` does nothing. From the start, `poll` gives None only when all that was there at this call has been
        handed out, however short its `timeout`, and raises `Transient` where the engine stops answering before.
        """

    def lag(self, group: str) -> Mapping[str, int]:
        """How many records of each topic `group` has not committed yet, for the topics it ever subscribed to."""

    def trim(self, topic: str, before: datetime) -> int:
        """Forget the records of `topic` older than `before`, where the engine does not do so by itself, by the
        retention of its topics. Returns how many, where it can tell."""

    def create_topics(self, topics: Sequence[str]) -> Sequence[str]:
        """Make those that are not there, and add partitions to those with too few; the names of both. Only for
        engines that want it beforehand, and not needed there: `publish`, `subscribe` and `browse` make topics too."""

    def close(self) -> None: ...
