"""What `EVENTS_URL` means for Kafka. Nothing here connects to anything."""

import re
from pathlib import Path

import pytest

from demixer import wiring
from demixer.adapters.kafka.client import RESERVED, ErrorReporter, cluster_of
from demixer.domain.errors import ConfigurationError


def properties(url: str) -> dict[str, str]:
    return dict(cluster_of(url).properties)


def test_a_plain_url_names_brokers_and_a_prefix() -> None:
    cluster = cluster_of("kafka://one:9092,two:9093/songs")
    assert cluster.properties == {"bootstrap.servers": "one:9092,two:9093", "security.protocol": "PLAINTEXT"}
    assert (cluster.name("uploads"), cluster.plain("songs.uploads")) == ("songs.uploads", "uploads")
    assert (cluster.static_membership, cluster.replication) == (True, -1)


def test_without_a_prefix_names_are_plain() -> None:
    cluster = cluster_of("kafka://[::1]:9092")
    assert (cluster.name("uploads"), cluster.plain("uploads")) == ("uploads", "uploads")
    assert cluster.properties["bootstrap.servers"] == "[::1]:9092"


def test_topics_of_others_on_the_same_brokers_are_not_ours() -> None:
    found = {"songs.uploads": 4, "uploads": 1, "other.uploads": 2, "songs.songs.uploads": 3}
    assert cluster_of("kafka://one/songs").ours(found) == {"uploads": 4, "songs.uploads": 3}


@pytest.mark.parametrize(
    ("url", "protocol"), [("kafka://ana:p%40ss@one/x", "SASL_PLAINTEXT"), ("kafka+ssl://ana:p%40ss@one/x", "SASL_SSL")]
)
def test_a_user_means_sasl(url: str, protocol: str) -> None:
    found = properties(url)
    assert found["security.protocol"] == protocol
    assert found["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (found["sasl.username"], found["sasl.password"]) == ("ana", "p@ss")
    assert found["bootstrap.servers"] == "one"


def test_tls_without_a_user() -> None:
    assert properties("kafka+ssl://one:9093/x")["security.protocol"] == "SSL"


def test_the_query_sets_librdkafkas_properties_and_ours() -> None:
    url = "kafka+ssl://a:b@one/x?sasl.mechanism=PLAIN&session.timeout.ms=6000&static.membership=no&replication.factor=3"
    cluster = cluster_of(url)
    assert cluster.properties["sasl.mechanism"] == "PLAIN"
    assert (cluster.static_membership, cluster.replication) == (False, 3)
    mine = cluster.properties_with({"session.timeout.ms": "10000"}, ErrorReporter("test"), enable_auto_commit="false")
    assert (mine["session.timeout.ms"], mine["enable.auto.commit"]) == ("6000", "false")
    assert "static.membership" not in mine


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("one/x?no.such.property=1", "no.such.property"),
        ("one/x?session.timeout.ms=soon", "session.timeout.ms"),
        ("one/x?ssl.ca.location=/no/such/file&security.protocol=SSL", "ssl.ca.location"),
        ("one/x?static.membership=maybe", "static.membership"),
        ("one/x?replication.factor=0", "replication.factor"),
        ("one/x?group.id=mine", "group.id"),
        ("one/x?acks=0", "acks"),
        ("one/x?enable.idempotence=false", "enable.idempotence"),
        ("one/x?max.in.flight=6", "max.in.flight"),
        ("one/x?retries=0", "retries"),
        ("one/x?sasl.password=secret", "sasl.password"),
        ("one/x?novalue", "kafka://"),
        ("one/a b", "prefix"),
        ("one/a/b", "prefix"),
        ("/x", "kafka://one:9092"),
        ("one:port/x", "kafka://one:9092"),
    ],
)
def test_an_error_names_what_is_wrong_without_the_password(rest: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        wiring.open_events(f"kafka://ana:correct-horse@{rest}")
    assert raised.value.params["variable"] == "EVENTS_URL"
    assert told in str(raised.value)
    assert "correct-horse" not in str(raised.value)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_properties_cannot_be_set(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"EVENTS_URL: {re.escape(name)} is not yours to set"):
        wiring.open_events(f"kafka://one/x?{name}=0")


@pytest.mark.parametrize("pair", ["linger.ms=6000", "session.timeout.ms=70000"])
def test_a_property_that_conflicts_with_ours_is_an_error_at_once(pair: str) -> None:
    with pytest.raises(ConfigurationError, match="EVENTS_URL"):
        wiring.open_events(f"kafka://one/x?{pair}")


def test_a_poll_interval_that_fits_our_session_is_taken() -> None:
    wiring.open_events("kafka://one/x?max.poll.interval.ms=20000").close()


def test_opening_needs_no_broker(tmp_path: Path) -> None:
    wiring.open_events("kafka://127.0.0.1:1/x").close()
