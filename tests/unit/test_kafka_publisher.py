import pytest

from demixer.backends.kafka_client import ANSWER_SECONDS
from demixer.backends.kafka_publisher import LATE_SECONDS, REST_SECONDS, Circuit
from demixer.errors import Transient


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tries(circuit: Circuit) -> bool:
    try:
        circuit.enter()
    except Transient:
        return False
    return True


def test_all_try_while_it_works() -> None:
    circuit = Circuit(Seconds())
    assert all(tries(circuit) for _ in range(3))
    circuit.succeeded()
    assert tries(circuit)


def test_after_a_failure_one_at_a_time_tries_again_and_success_lets_everybody_in() -> None:
    clock = Seconds()
    circuit = Circuit(clock)
    circuit.enter()
    circuit.failed(Transient(engine="Kafka", reason="down"))
    assert not tries(circuit)
    clock.now += REST_SECONDS
    assert [tries(circuit) for _ in range(3)] == [True, False, False]
    clock.now += ANSWER_SECONDS + LATE_SECONDS - 0.1
    assert not tries(circuit)
    circuit.succeeded()
    assert all(tries(circuit) for _ in range(3))


def test_whoever_tries_and_never_reports_is_not_waited_for_for_ever() -> None:
    clock = Seconds()
    circuit = Circuit(clock)
    circuit.failed(Transient(engine="Kafka", reason="down"))
    clock.now += REST_SECONDS
    circuit.enter()
    clock.now += ANSWER_SECONDS + LATE_SECONDS
    circuit.failed(Transient(engine="Kafka", reason="down"))
    with pytest.raises(Transient) as raised:
        circuit.enter()
    assert raised.value.params["reason"] == "down"
    clock.now += REST_SECONDS
    assert tries(circuit)
