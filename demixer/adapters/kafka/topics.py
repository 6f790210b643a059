"""The topics on the brokers: made with the partitions and the retention that the schemas say, and enlarged."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from demixer.adapters.kafka.client import ANSWER_SECONDS, VARIABLE, Cluster, ErrorReporter, translated
from demixer.domain.errors import ConfigurationError, Transient
from schemas.topics import retention_hours

HOUR_MS = 3_600_000
POLL_SECONDS = 0.05  # between two questions whether the brokers know a topic that was made


class Topics:
    """Of one cluster. `partitions` gives how many a topic should have. Clients live no longer than a call."""

    def __init__(self, cluster: Cluster, partitions: Callable[[str], int]) -> None:
        self._cluster, self._partitions = cluster, partitions
        self._known: set[str] = set()

    def ensure(self, topics: Iterable[str]) -> None:
        """Make those that are missing; asks the brokers once in a process.

        Raises `Transient`, and `ConfigurationError` where this user may not make topics.
        """
        if new := set(topics) - self._known:
            self._make_missing(self._admin(), new)

    def forget(self) -> None:
        """Let the next `ensure` ask the brokers again."""
        self._known = set()

    def create(self, topics: Iterable[str]) -> Sequence[str]:
        """As `ensure`, and partitions are added where there are fewer than there should be: the topics changed."""
        admin = self._admin()
        wanted = set(topics)
        made = self._make_missing(admin, wanted)
        counts = self._partition_counts(admin)
        few = [topic for topic in sorted(wanted) if counts[topic] < self._partitions(topic)]
        self._add_partitions(admin, few)
        return sorted([*made, *few])

    def _admin(self) -> AdminClient:
        return AdminClient(self._cluster.properties_with({}, ErrorReporter("topics")))

    def _make_missing(self, admin: AdminClient, topics: set[str]) -> list[str]:
        missing = sorted(topics - self._partition_counts(admin).keys())
        if missing:
            with translated():
                made = admin.create_topics(list(map(self._new, missing)), request_timeout=ANSWER_SECONDS)
            for topic, future in zip(missing, made.values(), strict=True):
                _result_of(future, f"the topic {self._cluster.name(topic)!r} cannot be made")
            self._wait_for(admin, missing)
        self._known |= topics
        return missing

    def _new(self, topic: str) -> NewTopic:
        return NewTopic(
            self._cluster.name(topic),
            num_partitions=self._partitions(topic),
            replication_factor=self._cluster.replication,
            config=_retention(topic),
        )

    def _add_partitions(self, admin: AdminClient, topics: Sequence[str]) -> None:
        wanted = [NewPartitions(self._cluster.name(topic), self._partitions(topic)) for topic in topics]
        if wanted:
            with translated():
                futures = admin.create_partitions(wanted, request_timeout=ANSWER_SECONDS)
            for name, future in futures.items():
                _result_of(future, f"the topic {name!r} cannot get more partitions")

    def _partition_counts(self, admin: AdminClient) -> Mapping[str, int]:
        """By the plain names of our topics."""
        with translated():
            topics = admin.list_topics(timeout=ANSWER_SECONDS).topics
        return self._cluster.ours({name: len(topic.partitions) for name, topic in topics.items() if not topic.error})

    def _wait_for(self, admin: AdminClient, topics: Sequence[str]) -> None:
        """A topic is made by one broker; the others hear of it a moment later."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self._partition_counts(admin).keys() >= set(topics):
            if time.monotonic() > deadline:
                raise Transient(engine="Kafka", reason=f"made {', '.join(topics)}, but the brokers do not know it yet")
            time.sleep(POLL_SECONDS)


def _retention(topic: str) -> dict[str, str]:
    """Kafka deletes whole segments, and not the one it writes to, so a segment ends after the retention time."""
    hours = retention_hours(topic)
    if hours is None:
        return {"cleanup.policy": "delete", "retention.ms": "-1"}
    kept = str(round(hours * HOUR_MS))
    return {"cleanup.policy": "delete", "retention.ms": kept, "segment.ms": kept}


def _result_of(future: "Future[None]", what: str) -> None:
    try:
        future.result()
    except KafkaException as error:
        found = error.args[0]
        if found.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return  # somebody else made it at the same moment
        if found.code() in _PASSING:
            raise Transient(engine="Kafka", reason=f"{what}: {found.str()}") from error
        hint = f"{what}: {found.str()}; put it right on the brokers, or in {VARIABLE}, and run `demixer topics create`"
        raise ConfigurationError(variable=VARIABLE, hint=hint) from error


_PASSING = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_CONTROLLER,
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
)
