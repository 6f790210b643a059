"""The Kafka cluster that `EVENTS_URL` names, our names on it, and its errors as ours.

    kafka://host:port,host:port/prefix?property=value
    kafka+ssl://user:password@host:port/prefix

A user means SASL, `kafka+ssl` means TLS. The prefix goes before every topic and group, so that several services share a
cluster. Any property of librdkafka may be set (https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md),
and two of ours: `static.membership` (yes, or no) and `replication.factor` (-1: as the brokers have it).
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from demixer.domain.errors import ConfigurationError, Transient
from demixer.ports import TopicPartition

VARIABLE = "EVENTS_URL"
ANSWER_SECONDS = 5.0  # for a question to the brokers; a request for a web page may wait for it
LOG_AGAIN_SECONDS = 60.0  # between two log lines about the same error

DEFAULTS = {
    "socket.timeout.ms": "10000",  # of one request: a commit to a broker that is frozen ends after that
    "reconnect.backoff.max.ms": "2000",  # back soon after an outage
    "enable.metrics.push": "false",  # nobody reads them, and clients ask for ever where a broker answers badly
    "topic.metadata.refresh.interval.ms": "60000",  # how long until partitions that were added are seen
}
GROUP_TIMEOUTS = {
    "session.timeout.ms": "10000",  # a process that ended loses its partitions after that
    "heartbeat.interval.ms": "3000",
    "max.poll.interval.ms": "60000",  # a process that lives but stopped polling loses them after that
}
DURABLE = {"enable.idempotence": "true", "acks": "all"}  # what is published: once, in order, by all in-sync replicas
OURS = ("static.membership", "replication.factor")
RESERVED = (
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "enable.auto.commit",
    "auto.commit.enable",
    "partition.assignment.strategy",
    "auto.offset.reset",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "transactional.id",
    "message.timeout.ms",
    "delivery.timeout.ms",
)
SECRET = re.compile(r"password|secret|\.pem$|oauthbearer\.config")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`properties` are librdkafka's, for every client; `replication` is of the topics that we make."""

    properties: Mapping[str, str]
    prefix: str
    static_membership: bool
    replication: int

    def name(self, plain: str) -> str:
        """Of a topic or a group, on the brokers."""
        return f"{self.prefix}.{plain}" if self.prefix else plain

    def plain(self, name: str) -> str:
        """Undo `name`."""
        return name.removeprefix(f"{self.prefix}.") if self.prefix else name

    def topic_partition(self, name: str | None, partition: int | None) -> TopicPartition:
        return self.plain(name or ""), partition or 0

    def kafka_partition(self, partition: TopicPartition, offset: int = OFFSET_INVALID) -> KafkaPartition:
        return KafkaPartition(self.name(partition[0]), partition[1], offset)

    def ours(self, partitions: Mapping[str, int]) -> dict[str, int]:
        """The topics below our prefix, by plain name."""
        prefix = self.name("")
        return {self.plain(name): count for name, count in partitions.items() if name.startswith(prefix)}

    def properties_with(self, defaults: Mapping[str, str], reporter: "ErrorReporter", **fixed: str) -> dict[str, Any]:
        """The properties of one client. The URL overrides `defaults`; `fixed` (with _ for .) overrides both."""
        overrides = {name.replace("_", "."): value for name, value in fixed.items()}
        return {**DEFAULTS, **defaults, **self.properties, **overrides, "error_cb": reporter, "logger": reporter}


class ErrorReporter:
    """The `error_cb` and `logger` of one client. Logs each kind of error once a minute, and keeps the last as `reason`.

    `client` is the client's name in the log.
    """

    def __init__(self, client: str) -> None:
        self.reason = "no broker answered in time"
        self.client = client
        self._logged_at: dict[int, float] = {}  # by error code

    def __call__(self, error: KafkaError) -> None:
        self.reason = error.str()
        now = time.monotonic()
        if now - self._logged_at.get(error.code(), -LOG_AGAIN_SECONDS) >= LOG_AGAIN_SECONDS:
            self._logged_at[error.code()] = now
            log.warning("Kafka, %s: %s", self.client, error.str())

    def log(self, level: int, text: str, *values: object) -> None:
        """librdkafka's own log. What matters of it is also reported as an error."""
        log.debug(text, *values)


def cluster_of(url: str) -> Cluster:
    """Raises `ConfigurationError` that says what is wrong with `url`, without its password. Connects to nothing."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _wrong("it should look like kafka://host:9092/prefix?property=value") from error
    cluster = Cluster(
        properties={**_security(parts), **_librdkafka(options), "bootstrap.servers": _brokers(parts)},
        prefix=_prefix(parts),
        static_membership=_choice(options, "static.membership", {"yes": True, "no": False}, "yes"),
        replication=_replication(options),
    )
    _check_properties(cluster)
    return cluster


@contextmanager
def translated() -> Iterator[None]:
    """A driver's error becomes `Transient`, or `ConfigurationError` where only the operator can help."""
    try:
        yield
    except KafkaException as error:
        raise translation(error.args[0]) from error


def translation(error: KafkaError, reason: str = "") -> Transient | ConfigurationError:
    if error.code() in _FORBIDDEN:
        return ConfigurationError(variable=VARIABLE, hint=f"the Kafka brokers refuse this user: {error.str()}")
    return Transient(engine="Kafka", reason=reason or error.str())


_FORBIDDEN = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


def _security(parts: SplitResult) -> dict[str, str]:
    tls = parts.scheme == "kafka+ssl"
    if parts.username is None:
        return {"security.protocol": "SSL" if tls else "PLAINTEXT"}
    return {
        "security.protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": unquote(parts.username),
        "sasl.password": unquote(parts.password or ""),
    }


def _brokers(parts: SplitResult) -> str:
    brokers = parts.netloc.rpartition("@")[2]
    if not re.fullmatch(r"[^,\s:]+(:\d+)?(,[^,\s:]+(:\d+)?)*|(\[[0-9a-fA-F:]+\](:\d+)?,?)+", brokers):
        raise _wrong(f"{brokers!r} is no list of brokers; it should look like kafka://one:9092,two:9092/prefix")
    return brokers


def _prefix(parts: SplitResult) -> str:
    prefix = parts.path.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", prefix):
        raise _wrong(f"the prefix {prefix!r} may have letters, digits, '.', '_' and '-', 100 at most")
    return prefix


def _librdkafka(options: Mapping[str, str]) -> dict[str, str]:
    for name in options:
        if SECRET.search(name):
            raise _wrong(f"{name} does not belong in the query, which is logged; write kafka://user:password@host")
        if name in RESERVED:
            raise _wrong(f"{name} is not yours to set: the URL says it, or the service has to")
    return {name: value for name, value in options.items() if name not in OURS}


def _replication(options: Mapping[str, str]) -> int:
    given = options.get("replication.factor", "-1")
    if not re.fullmatch(r"-1|[1-9]\d?", given):
        raise _wrong(f"replication.factor={given} should be a number of brokers, or -1 for what the brokers have set")
    return int(given)


def _choice(options: Mapping[str, str], name: str, choices: Mapping[str, bool], default: str) -> bool:
    given = options.get(name, default)
    if given not in choices:
        raise _wrong(f"{name}={given} should be one of {', '.join(choices)}")
    return choices[given]


def _check_properties(cluster: Cluster) -> None:
    """librdkafka checks names and values, and reads certificates, when a client is made. These have no brokers."""
    reporter, timeout = ErrorReporter("settings"), str(round(ANSWER_SECONDS * 1000))
    try:
        Consumer(cluster.properties_with(GROUP_TIMEOUTS, reporter, group_id="check", bootstrap_servers="")).close()
        properties = cluster.properties_with({}, reporter, message_timeout_ms=timeout, bootstrap_servers="")
        Producer({**properties, **DURABLE})
    except (KafkaException, ValueError, TypeError) as error:
        cause = error.args[0]
        raise _wrong(cause.str() if isinstance(cause, KafkaError) else str(cause)) from error


def _wrong(hint: str) -> ConfigurationError:
    return ConfigurationError(variable=VARIABLE, hint=hint)
