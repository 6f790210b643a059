"""What every Kafka client here has in common: the cluster that `EVENTS_URL` names, our names on it, its errors as ours.

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

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from demixer.domain.errors import ConfigurationError, Transient

VARIABLE = "EVENTS_URL"
ANSWER_SECONDS = 5.0  # for a question to the brokers; a request for a web page may wait for it
TELL_AGAIN_SECONDS = 60.0  # between two log lines about the same trouble

DEFAULTS = {
    "socket.timeout.ms": "10000",  # of one request: a commit to a broker that is frozen ends after that
    "reconnect.backoff.max.ms": "2000",  # back soon after an outage
    "enable.metrics.push": "false",  # unasked; and clients run in circles where a broker answers it badly
    "topic.metadata.refresh.interval.ms": "60000",  # how long until partitions that were added are seen
}
TIMES = {
    "session.timeout.ms": "10000",  # a process that ended loses its partitions after that
    "heartbeat.interval.ms": "3000",
    "max.poll.interval.ms": "60000",  # one that lives but stopped polling
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
        return name.removeprefix(f"{self.prefix}.") if self.prefix else name

    def ours(self, partitions: Mapping[str, int]) -> dict[str, int]:
        """The topics below our prefix, by plain name."""
        beginning = self.name("")
        return {self.plain(name): count for name, count in partitions.items() if name.startswith(beginning)}

    def properties_with(self, defaults: Mapping[str, str], trouble: "Trouble", **fixed: str) -> dict[str, Any]:
        """For one client: what the URL says goes before `defaults`, `fixed` (with _ for .) before both."""
        mine = {name.replace("_", "."): value for name, value in fixed.items()}
        return {**DEFAULTS, **defaults, **self.properties, **mine, "error_cb": trouble, "logger": trouble}


class Trouble:
    """What a client's connections complain of: told now and then, kept as the reason why something did not work."""

    def __init__(self, who: str) -> None:
        self.reason = "no broker answered in time"
        self.who = who
        self._told: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        self.reason = error.str()
        now = time.monotonic()
        if now - self._told.get(error.code(), -TELL_AGAIN_SECONDS) >= TELL_AGAIN_SECONDS:
            self._told[error.code()] = now
            log.warning("Kafka, %s: %s", self.who, error.str())

    def log(self, level: int, text: str, *values: object) -> None:
        """librdkafka's own log: what matters of it comes as an error, too."""
        log.debug(text, *values)


def cluster_of(url: str) -> Cluster:
    """Raises `ConfigurationError` that tells what is wrong with `url`, never its password. Connects to nothing."""
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
    _try_out(cluster)
    return cluster


@contextmanager
def translated() -> Iterator[None]:
    """A driver's error becomes `Transient`, or `ConfigurationError` where only who runs the service can help."""
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


def _try_out(cluster: Cluster) -> None:
    """librdkafka checks names and values, and reads certificates, when a client is made; these have no brokers."""
    trouble, late = Trouble("settings"), str(round(ANSWER_SECONDS * 1000))
    try:
        Consumer(cluster.properties_with(TIMES, trouble, group_id="check", bootstrap_servers="")).close()
        Producer({**cluster.properties_with({}, trouble, message_timeout_ms=late, bootstrap_servers=""), **DURABLE})
    except (KafkaException, ValueError, TypeError) as error:
        what = error.args[0]
        raise _wrong(what.str() if isinstance(what, KafkaError) else str(what)) from error


def _wrong(hint: str) -> ConfigurationError:
    return ConfigurationError(variable=VARIABLE, hint=hint)
