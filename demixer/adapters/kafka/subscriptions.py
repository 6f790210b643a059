"""Reading from Kafka: as a member of a group, or alone."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as Raw
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.adapters.kafka import reader
from demixer.adapters.kafka.client import ANSWER_SECONDS, GROUP_TIMEOUTS, Cluster, ErrorReporter, translated
from demixer.adapters.kafka.offsets import Offsets
from demixer.adapters.kafka.prefetch_queue import PrefetchQueue
from demixer.adapters.kafka.reader import Reader
from demixer.domain.errors import Transient
from demixer.ports import Message, TopicPartition

POLL_SECONDS = 0.05  # of one call of librdkafka while an answer is expected
FIRST_POLL_SECONDS = 0.0005  # of the first call after a commit, which takes a millisecond
REVOCATION_SECONDS = 2.0  # until a member that did not poll knows what was revoked; librdkafka checks twice a second
REJOIN_SECONDS = 10.0  # without a partition after all were lost, until a member joins again
BROWSE_SECONDS = 10.0  # for what was there when browsing began, from brokers that answered a moment ago

GROUP = {**reader.PROPERTIES, **GROUP_TIMEOUTS}
FIXED = {"enable_auto_commit": "false", "auto_offset_reset": "earliest"}
STRATEGY = "cooperative-sticky"  # a rebalance stops only the partitions that move

FENCED = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED)
REBALANCED = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS)

log = logging.getLogger(__name__)


class Browser(Reader):
    """Reads outside any group. Hands out all that was there when it was made, in the order of time, for any timeout."""

    def __init__(self, cluster: Cluster, topics: Sequence[str], *, from_start: bool) -> None:
        reporter = ErrorReporter("browsing")
        fixed = {**FIXED, "group_id": cluster.name("browse"), "enable_partition_eof": "true"}
        properties = cluster.properties_with(reader.PROPERTIES, reporter, **fixed)
        super().__init__(cluster, Consumer(properties), reporter)
        try:
            self._assign(topics, from_start)
        except BaseException:
            self.close()
            raise

    def poll(self, timeout: float) -> Message | None:
        """None only after everything that was there at first. Raises `Transient` when that does not come."""
        message = super().poll(timeout)
        deadline = time.monotonic() + BROWSE_SECONDS
        while message is None and any(queue.is_behind for queue in self._queues.values()):
            if time.monotonic() > deadline:
                raise Transient(engine="Kafka", reason=self._reporter.reason)
            message = super().poll(POLL_SECONDS)
        return message

    def commit(self, *messages: Message) -> None:
        pass

    def _assign(self, topics: Sequence[str], from_start: bool) -> None:
        offsets = Offsets(self._cluster, self._consumer)
        partitions = [(topic, number) for topic, number in offsets.partitions() if topic in topics]
        end = offsets.end(partitions)
        start = offsets.first(partitions) if from_start else end
        self._queues = {each: PrefetchQueue(start[each], end[each]) for each in partitions}
        self._consumer.assign([self._cluster.kafka_partition(each, start[each]) for each in partitions])

    def _take_from(self, queue: PrefetchQueue) -> Message:
        message = queue.take()
        queue.committed(message.offset)
        return message

    def _on_error(self, error: KafkaError, raw: Raw) -> None:
        if error.code() != KafkaError._PARTITION_EOF:
            super()._on_error(error, raw)
        elif queue := self._queues.get(self._cluster.topic_partition(raw.topic(), raw.partition())):
            queue.skip_to(raw.offset() or 0)  # the last offsets may be of deleted records or transaction markers


class Membership(Reader):
    """`demixer.ports.Subscription` of a group member. It calls `prepare` and joins with its first `poll`.

    A member that lost all its partitions and is assigned none joins again, once. The brokers may have come back empty:
    `prepare` then makes the topics, which librdkafka remembers for half a minute and would not ask for.
    """

    def __init__(
        self, cluster: Cluster, topics: Sequence[str], *, group: str, member: str, prepare: Callable[[], object]
    ) -> None:
        reporter = ErrorReporter(f"{member} of {group}")
        fixed = {**FIXED, "group_id": cluster.name(group), "partition_assignment_strategy": STRATEGY}
        if cluster.static_membership:
            fixed["group_instance_id"] = f"{cluster.name(group)}.{member}"
        properties = cluster.properties_with(GROUP, reporter, **fixed)
        super().__init__(cluster, Consumer({**properties, "on_commit": self._on_commit}), reporter)
        self._commit_results: dict[tuple[str, int, int], KafkaError | None] = {}  # by topic, partition, offset
        self._new_partitions: list[TopicPartition] = []  # assigned; whether they have an offset is not known yet
        self._topics, self._prepare, self._joined = [cluster.name(topic) for topic in topics], prepare, False
        self._max_poll_interval = int(properties["max.poll.interval.ms"]) / 1000
        self._last_poll_at = time.monotonic()
        self._lost_at: float | None = None  # when all partitions were lost; None once some are assigned

    def poll(self, timeout: float) -> Message | None:
        if self._queues and not self._is_alive():
            self._wait_for_revocations()
        return super().poll(timeout)

    def commit(self, *messages: Message) -> None:
        """In one round trip."""
        ours = [message for message in messages if self._may_commit(message)] if self._is_alive() else []
        offsets = [self._cluster.kafka_partition(message.topic_partition, message.offset + 1) for message in ours]
        errors = self._commit_offsets(offsets)
        for message, error in zip(ours, errors, strict=True):
            if error is None and (queue := self._queues.get(message.topic_partition)):
                queue.committed(message.offset)
        for message, error in zip(ours, errors, strict=True):
            if error is not None:
                self._on_refused_commit(message, error)

    def resume(self, message: Message) -> None:
        super().resume(message)
        if queue := self._queues.get(message.topic_partition):
            queue.rewind()

    def owns(self, message: Message) -> bool:
        return super().owns(message) and self._is_alive()

    def _take_from(self, queue: PrefetchQueue) -> Message:
        return queue.take()

    def _may_commit(self, message: Message) -> bool:
        queue = self._queues.get(message.topic_partition)
        return queue is not None and queue.may_commit(message.offset)

    def _is_alive(self) -> bool:
        """By the same measure as librdkafka, which leaves the group for a member that stopped polling."""
        return time.monotonic() - self._last_poll_at < self._max_poll_interval

    def _wait_for_revocations(self) -> None:
        """After a pause in polling, the partitions may have gone to other members."""
        deadline = time.monotonic() + REVOCATION_SECONDS
        while self._queues and time.monotonic() < deadline:
            self._receive(POLL_SECONDS)

    def _fetch(self, timeout: float) -> None:
        if not self._joined:
            self._prepare()
            callbacks = {"on_assign": self._on_assign, "on_revoke": self._on_revoke, "on_lost": self._on_lost}
            self._consumer.subscribe(self._topics, **callbacks)
            self._joined = True
        super()._fetch(timeout)
        self._last_poll_at = time.monotonic()
        if self._new_partitions:
            self._commit_first_offsets()
        if self._lost_at is not None and self._last_poll_at - self._lost_at > REJOIN_SECONDS:
            log.warning("Kafka, %s: joins again, since nothing was assigned after all was lost", self._reporter.client)
            self._lost_at, self._joined = None, False
            self._consumer.unsubscribe()

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        assigned = {self._cluster.topic_partition(each.topic, each.partition): PrefetchQueue() for each in partitions}
        if assigned:
            self._lost_at = None
        if not self._stopped:
            self._queues.update(assigned)
            self._new_partitions.extend(assigned)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        for each in partitions:
            self._queues.pop(self._cluster.topic_partition(each.topic, each.partition), None)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._on_revoke(consumer, partitions)
        self._lost_at = None if self._queues else time.monotonic()

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        for each in partitions:
            self._commit_results[each.topic, each.partition, each.offset] = error or each.error

    def _commit_first_offsets(self) -> None:
        """Offset 0 of partitions that the group never committed, so that its lag counts them."""
        partitions, self._new_partitions = self._new_partitions, []
        with suppress(Transient):  # then the lag counts them from the first commit on
            known = Offsets(self._cluster, self._consumer).committed(partitions)
            self._commit_offsets([self._cluster.kafka_partition(each, 0) for each in partitions if each not in known])

    def _commit_offsets(self, partitions: list[KafkaPartition]) -> list[KafkaError | None]:
        """The brokers' answer for each. A synchronous commit would wait for ever for a broker that is frozen."""
        asked = [(each.topic, each.partition, each.offset) for each in partitions]
        if not asked:  # the driver would commit all that was handed out
            return []
        with self._lock, translated():
            for each in asked:
                self._commit_results.pop(each, None)  # the late answer to an earlier commit
            self._consumer.commit(offsets=partitions, asynchronous=True)
            deadline, timeout = time.monotonic() + ANSWER_SECONDS, FIRST_POLL_SECONDS
            while not self._commit_results.keys() >= set(asked):
                if time.monotonic() > deadline:
                    raise Transient(engine="Kafka", reason=self._reporter.reason)
                self._fetch(timeout)
                timeout = min(2 * timeout, POLL_SECONDS)
            return [self._commit_results.pop(each) for each in asked]

    def _on_refused_commit(self, message: Message, error: KafkaError) -> None:
        """Where the group was rebalanced without this member, the next fetch says what was revoked."""
        if error.code() in FENCED:
            self._stop_after(error)
        elif error.code() in REBALANCED:
            self._receive(0)
        if self.owns(message):
            raise Transient(engine="Kafka", reason=error.str())

    def _on_error(self, error: KafkaError, raw: Raw) -> None:
        if error.code() in FENCED:
            self._stop_after(error)
        else:
            super()._on_error(error, raw)

    def _stop_after(self, error: KafkaError) -> None:
        log.error("Kafka, %s: nothing more is read here: %s", self._reporter.client, error.str())
        self._stop()
