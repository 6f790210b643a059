"""`demixer topics create` on Kafka."""

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka.admin import AdminClient

from demixer.adapters.kafka.client import cluster_of
from demixer.adapters.kafka.topics import Topics
from demixer.cli import main
from schemas.topics import all_topics, dead_letter_topic
from tests.contract.kafka_worlds import four
from tests.servers import Engine


def partitions_of(url: str) -> Mapping[str, int]:
    cluster = cluster_of(url)
    topics = AdminClient(dict(cluster.properties)).list_topics(timeout=10).topics
    return cluster.ours({name: len(topic.partitions) for name, topic in topics.items()})


def test_the_command_makes_every_topic_with_its_partitions_and_those_of_the_dead_letters(
    kafka: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = kafka.fresh()
    monkeypatch.setenv("EVENTS_URL", url)
    wanted = {name: topic.partitions for name, topic in all_topics().items()}
    dead = dict.fromkeys(map(dead_letter_topic, wanted), 1)
    assert main.run_command(["topics", "create"]) == 0
    assert partitions_of(url) == {**wanted, **dead}
    assert "uploads.dead" in capsys.readouterr().err
    assert main.run_command(["topics", "create"]) == 0
    assert "none" in capsys.readouterr().err


class Brokers:
    """Have topics with one partition each; the test broker cannot add any. Notes what it is asked to raise."""

    def __init__(self, *names: str) -> None:
        self.topics = {name: SimpleNamespace(partitions=[0], error=None) for name in names}
        self.raised: dict[str, int] = {}

    def list_topics(self, timeout: float) -> Any:
        return self

    def create_partitions(self, wanted: Any, request_timeout: float) -> "dict[str, Future[None]]":
        self.raised = {one.topic: one.new_total_count for one in wanted}
        done: Future[None] = Future()
        done.set_result(None)
        return dict.fromkeys(self.raised, done)


def test_a_topic_with_too_few_partitions_gets_more_and_one_with_enough_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brokers = Brokers("p.one", "p.many")
    topics = Topics(cluster_of("kafka://nowhere:1/p"), four)
    monkeypatch.setattr(topics, "_admin", lambda: cast(AdminClient, brokers))
    assert topics.create(["one", "many"]) == ["many"]
    assert brokers.raised == {"p.many": 4}
