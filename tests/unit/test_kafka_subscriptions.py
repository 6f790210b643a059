"""What the clients that read are made with. Nothing here connects to anything."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from demixer.adapters.kafka import subscriptions
from demixer.adapters.kafka.client import Cluster, cluster_of
from demixer.adapters.kafka.subscriptions import Browser, Membership

SAID = {"enable.auto.commit": "true", "partition.assignment.strategy": "range", "auto.offset.reset": "latest"}


class PlayedConsumer:
    """Notes what it was made with; no topic is there."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties
        self.topics: dict[str, Any] = {}

    def list_topics(self, timeout: float) -> "PlayedConsumer":
        return self

    def offsets_for_times(self, partitions: list[Any], timeout: float) -> list[Any]:
        return partitions

    def assign(self, partitions: list[Any]) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "Consumer", PlayedConsumer)


def saying(said: dict[str, str]) -> Cluster:
    """By a way around the check of the URL."""
    cluster = cluster_of("kafka://one/x")
    return replace(cluster, properties={**cluster.properties, **said})


def member(cluster: Cluster) -> Membership:
    return Membership(cluster, ["uploads"], group="match", member="host-1", prepare=lambda: None)


def browser(cluster: Cluster) -> Browser:
    return Browser(cluster, ["uploads"], from_start=True)


def properties(reader: Membership | Browser) -> dict[str, Any]:
    return cast(PlayedConsumer, reader._consumer).properties


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("said", [{}, SAID])
@pytest.mark.parametrize("open_", [member, browser])
def test_nothing_is_committed_automatically_and_reading_begins_at_the_oldest_whatever_is_set(
    open_: Callable[[Cluster], Membership | Browser], said: dict[str, str]
) -> None:
    made = properties(open_(saying(said)))
    assert (made["enable.auto.commit"], made["auto.offset.reset"]) == ("false", "earliest")


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("said", [{}, SAID])
def test_a_rebalance_stops_only_the_partitions_that_move_whatever_is_set(said: dict[str, str]) -> None:
    assert properties(member(saying(said)))["partition.assignment.strategy"] == "cooperative-sticky"


@pytest.mark.usefixtures("played")
def test_a_member_has_a_static_name_unless_that_is_switched_off() -> None:
    known, unknown = (
        properties(member(cluster_of(f"kafka://one/x{options}"))) for options in ("", "?static.membership=no")
    )
    assert (known["group.id"], known["group.instance.id"]) == ("x.match", "x.match.host-1")
    assert unknown["group.id"] == "x.match"
    assert "group.instance.id" not in unknown


@pytest.mark.usefixtures("played")
def test_a_browser_is_no_member_of_a_group_that_reads() -> None:
    made = properties(browser(cluster_of("kafka://one/x")))
    assert made["group.id"] == "x.browse"
    assert "group.instance.id" not in made
