import time
from dataclasses import replace
from typing import Any

import pytest

from demixer.adapters.kafka import publisher as kafka_publisher
from demixer.adapters.kafka.client import ANSWER_SECONDS, cluster_of
from demixer.adapters.kafka.publisher import EXPIRY_SECONDS, RETRY_SECONDS, CircuitBreaker, Publisher
from demixer.domain.errors import Transient
from demixer.ports import Record


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tries(circuit: CircuitBreaker) -> bool:
    try:
        circuit.enter()
    except Transient:
        return False
    return True


def test_all_try_while_it_works() -> None:
    circuit = CircuitBreaker(Seconds())
    assert all(tries(circuit) for _ in range(3))
    circuit.succeeded()
    assert tries(circuit)


def test_after_a_failure_one_at_a_time_tries_again_and_success_lets_everybody_in() -> None:
    clock = Seconds()
    circuit = CircuitBreaker(clock)
    circuit.enter()
    circuit.failed(Transient(engine="Kafka", reason="down"))
    assert not tries(circuit)
    clock.now += RETRY_SECONDS
    assert [tries(circuit) for _ in range(3)] == [True, False, False]
    clock.now += ANSWER_SECONDS + EXPIRY_SECONDS - 0.1
    assert not tries(circuit)
    circuit.succeeded()
    assert all(tries(circuit) for _ in range(3))


def test_a_caller_that_never_reports_back_blocks_the_others_for_a_while_only() -> None:
    clock = Seconds()
    circuit = CircuitBreaker(clock)
    circuit.failed(Transient(engine="Kafka", reason="down"))
    clock.now += RETRY_SECONDS
    circuit.enter()
    clock.now += ANSWER_SECONDS + EXPIRY_SECONDS
    circuit.failed(Transient(engine="Kafka", reason="down"))
    with pytest.raises(Transient) as raised:
        circuit.enter()
    assert raised.value.params["reason"] == "down"
    clock.now += RETRY_SECONDS
    assert tries(circuit)


class PlayedProducer:
    """Notes what it was made with, and acknowledges everything at once."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties

    def produce(self, topic: str, *, on_delivery: Any, **record: Any) -> None:
        on_delivery(None, None)

    def poll(self, timeout: float) -> None:
        time.sleep(0.01)

    def purge(self) -> None:
        pass

    def flush(self, timeout: float) -> None:
        pass


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[PlayedProducer]:
    made: list[PlayedProducer] = []

    def make(properties: dict[str, Any]) -> PlayedProducer:
        made.append(PlayedProducer(properties))
        return made[-1]

    monkeypatch.setattr(kafka_publisher, "Producer", make)
    return made


@pytest.mark.parametrize("said", [{}, {"acks": "0", "enable.idempotence": "false", "message.timeout.ms": "0"}])
def test_publishing_is_acknowledged_by_all_and_idempotent_whatever_is_set(
    producers: list[PlayedProducer], said: dict[str, str]
) -> None:
    cluster = cluster_of("kafka://one/x")
    publisher = Publisher(replace(cluster, properties={**cluster.properties, **said}))
    for _ in range(2):
        publisher.publish([Record(topic="t", key="k", value=b"")], lambda: None)
    publisher.close()
    (producer,) = producers
    assert producer.properties["acks"] == "all"
    assert producer.properties["enable.idempotence"] == "true"
    assert producer.properties["message.timeout.ms"] == str(int(ANSWER_SECONDS * 1000))
