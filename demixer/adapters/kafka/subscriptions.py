"""Reading from Kafka: as a member of a group, or alone."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as Raw
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.adapters.kafka import reader
from demixer.adapters.kafka.client import ANSWER_SECONDS, TIMES, Cluster, Trouble, translated
from demixer.adapters.kafka.offsets import Offsets, place_of
from demixer.adapters.kafka.prefetch_queue import Line
from demixer.adapters.kafka.reader import Reader, raw_place
from demixer.domain.errors import Transient
from demixer.ports import Message, TopicPartition

LOOK_SECONDS = 0.05  # of one poll while something is expected
FIRST_STEP_SECONDS = 0.0005  # of the wait for the answer to a commit, which takes a millisecond
LOSS_SECONDS = 2.0  # until a member that was silent hears what it has lost; librdkafka looks twice a second
REJOIN_SECONDS = 10.0  # without a partition after all were lost, until a member begins anew
BROWSE_SECONDS = 10.0  # for what was there when browsing began, from brokers that answered a moment ago

GROUP = {**reader.PROPERTIES, **TIMES}
FIXED = {"enable_auto_commit": "false", "auto_offset_reset": "earliest"}
STRATEGY = "cooperative-sticky"  # a rebalance stops only the partitions that move

FENCED = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED)
MOVED_ON = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS)

log = logging.getLogger(__name__)


class Browser(Reader):
    """Reads alone. What lay in the topics when it was made is handed out in the order of time, whatever `timeout`."""

    def __init__(self, cluster: Cluster, topics: Sequence[str], *, from_start: bool) -> None:
        trouble = Trouble("browsing")
        fixed = {**FIXED, "group_id": cluster.name("browse"), "enable_partition_eof": "true"}
        properties = cluster.properties_with(reader.PROPERTIES, trouble, **fixed)
        super().__init__(cluster, Consumer(properties), trouble)
        try:
            self._assign(topics, from_start)
        except BaseException:
            self.close()
            raise

    def poll(self, timeout: float) -> Message | None:
        """None only after everything that was there at first. Raises `Transient` when that does not come."""
        message = super().poll(timeout)
        deadline = time.monotonic() + BROWSE_SECONDS
        while message is None and any(line.outstanding for line in self._lines.values()):
            if time.monotonic() > deadline:
                raise Transient(engine="Kafka", reason=self._trouble.reason)
            message = super().poll(LOOK_SECONDS)
        return message

    def commit(self, *messages: Message) -> None:
        pass

    def _assign(self, topics: Sequence[str], from_start: bool) -> None:
        offsets = Offsets(self._cluster, self._consumer)
        places = [place for place in offsets.places() if place[0] in topics]
        end = offsets.end(places)
        start = offsets.first(places) if from_start else end
        self._lines = {place: Line(start[place], end[place]) for place in places}
        self._consumer.assign([self._partition(place, start[place]) for place in places])

    def _taken(self, line: Line) -> Message:
        message = line.take()
        line.done(message.offset)
        return message

    def _note(self, error: KafkaError, raw: Raw) -> None:
        if error.code() != KafkaError._PARTITION_EOF:
            super()._note(error, raw)
        elif line := self._lines.get(raw_place(self._cluster, raw)):
            line.reached(raw.offset() or 0)  # where records were deleted, or are marks of a transaction


class Membership(Reader):
    """`demixer.ports.Subscription` of a group member. It joins with its first `poll`, after `prepare`.

    One that has lost all and gets nothing begins anew, once. The brokers may have come back empty: `prepare` makes the
    topics then; librdkafka, which remembers a topic for half a minute, would see no reason to look again.
    """

    def __init__(
        self, cluster: Cluster, topics: Sequence[str], *, group: str, member: str, prepare: Callable[[], object]
    ) -> None:
        trouble = Trouble(f"{member} of {group}")
        fixed = {**FIXED, "group_id": cluster.name(group), "partition_assignment_strategy": STRATEGY}
        if cluster.static_membership:
            fixed["group_instance_id"] = f"{cluster.name(group)}.{member}"
        properties = cluster.properties_with(GROUP, trouble, **fixed)
        super().__init__(cluster, Consumer({**properties, "on_commit": self._on_commit}), trouble)
        self._answers: dict[tuple[str, int, int], KafkaError | None] = {}  # to commits: topic, partition, offset
        self._unmarked: list[TopicPartition] = []  # ours since the last look
        self._topics, self._prepare, self._joined = [cluster.name(topic) for topic in topics], prepare, False
        self._silence = int(properties["max.poll.interval.ms"]) / 1000
        self._polled = time.monotonic()
        self._lost: float | None = None  # when; until something is assigned

    def poll(self, timeout: float) -> Message | None:
        if self._lines and not self._alive():
            self._hear_of_losses()
        return super().poll(timeout)

    def commit(self, *messages: Message) -> None:
        """In one round trip."""
        ours = [message for message in messages if self._is_open(message)] if self._alive() else []
        errors = self._committed([self._partition(message.topic_partition, message.offset + 1) for message in ours])
        for message, error in zip(ours, errors, strict=True):
            if error is None and (line := self._lines.get(message.topic_partition)):
                line.done(message.offset)
        for message, error in zip(ours, errors, strict=True):
            if error is not None:
                self._not_committed(message, error)

    def resume(self, message: Message) -> None:
        super().resume(message)
        if line := self._lines.get(message.topic_partition):
            line.rewind()

    def owns(self, message: Message) -> bool:
        return super().owns(message) and self._alive()

    def _taken(self, line: Line) -> Message:
        return line.take()

    def _is_open(self, message: Message) -> bool:
        line = self._lines.get(message.topic_partition)
        return line is not None and line.covers(message.offset)

    def _alive(self) -> bool:
        """By the measure of librdkafka, which leaves the group for a member that polls no more."""
        return time.monotonic() - self._polled < self._silence

    def _hear_of_losses(self) -> None:
        """After a silence: what was fetched before it may be somebody else's by now."""
        deadline = time.monotonic() + LOSS_SECONDS
        while self._lines and time.monotonic() < deadline:
            self._receive(LOOK_SECONDS)

    def _fetch(self, timeout: float) -> None:
        if not self._joined:
            self._join()
        super()._fetch(timeout)
        self._polled = time.monotonic()
        if self._unmarked:
            self._mark_beginning()
        if self._lost is not None and self._polled - self._lost > REJOIN_SECONDS:
            self._begin_anew()

    def _join(self) -> None:
        self._prepare()
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._joined = True

    def _begin_anew(self) -> None:
        """With the next poll."""
        log.warning("Kafka, %s: joins anew, since nothing was assigned after all was lost", self._trouble.who)
        self._lost, self._joined = None, False
        self._consumer.unsubscribe()

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        fresh = {place_of(self._cluster, one): Line() for one in partitions}
        if fresh:
            self._lost = None
        if not self._over:
            self._lines.update(fresh)
            self._unmarked.extend(fresh)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        for partition in partitions:
            self._lines.pop(place_of(self._cluster, partition), None)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._on_revoke(consumer, partitions)
        self._lost = None if self._lines else time.monotonic()

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        for one in partitions:
            self._answers[one.topic, one.partition, one.offset] = error or one.error

    def _mark_beginning(self) -> None:
        """The group's offset of what it has never read, so that the lag counts it. 0 is the oldest record, too."""
        places, self._unmarked = self._unmarked, []
        with suppress(Transient):  # then the lag is told from the first commit on
            known = Offsets(self._cluster, self._consumer).committed(places)
            self._committed([self._partition(place, 0) for place in places if place not in known])

    def _committed(self, partitions: list[KafkaPartition]) -> list[KafkaError | None]:
        """What the brokers say. Not by a synchronous commit, which waits for ever for one that is frozen."""
        asked = [(one.topic, one.partition, one.offset) for one in partitions]
        if not asked:  # the driver would take it for all that was handed out
            return []
        with self._lock, translated():
            for one in asked:
                self._answers.pop(one, None)  # one that came too late
            self._consumer.commit(offsets=partitions, asynchronous=True)
            deadline, step = time.monotonic() + ANSWER_SECONDS, FIRST_STEP_SECONDS
            while not self._answers.keys() >= set(asked):
                if time.monotonic() > deadline:
                    raise Transient(engine="Kafka", reason=self._trouble.reason)
                self._fetch(step)
                step = min(2 * step, LOOK_SECONDS)
            return [self._answers.pop(one) for one in asked]

    def _not_committed(self, message: Message, error: KafkaError) -> None:
        """The group may have moved on without us: the news about that waits for the next look."""
        if error.code() in FENCED:
            self._end_of(error)
        elif error.code() in MOVED_ON:
            self._receive(0)
        if self.owns(message):
            raise Transient(engine="Kafka", reason=error.str())

    def _note(self, error: KafkaError, raw: Raw) -> None:
        if error.code() in FENCED:
            self._end_of(error)
        else:
            super()._note(error, raw)

    def _end_of(self, error: KafkaError) -> None:
        log.error("Kafka, %s: nothing more is read here: %s", self._trouble.who, error.str())
        self._end()
