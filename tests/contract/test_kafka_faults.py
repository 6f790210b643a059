"""Kafka while the brokers freeze, end and come back, and across processes. Each fault is real: signals to a broker."""

import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demixer.adapters.kafka.client import ANSWER_SECONDS
from demixer.adapters.kafka.event_log import KafkaEvents
from demixer.adapters.kafka.publisher import EXPIRY_SECONDS
from demixer.domain.errors import Transient
from demixer.ports import Message
from tests import servers
from tests.contract.events import PATIENCE, number, numbers, publish_one_by_one, received, record, records
from tests.contract.kafka_worlds import SHORT_TIMEOUTS, four, with_options
from tests.servers import Engine, Server

AT_MOST = ANSWER_SECONDS + EXPIRY_SECONDS + 1  # seconds that somebody waits for brokers that are away
AT_ONCE = 0.5

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A broker of its own: what these tests do to it is nobody else's business."""
    if os.environ.get("TEST_KAFKA"):
        pytest.skip("the broker of TEST_KAFKA is not ours to stop")
    with servers.started(servers.kafka, tmp_path) as engine:
        yield engine


@pytest.fixture
def broker(engine: Engine) -> Server:
    assert engine.server is not None
    return engine.server


@pytest.fixture
def log(engine: Engine) -> Iterator[KafkaEvents]:
    log = KafkaEvents(engine.fresh(), partitions=four)
    yield log
    log.close()


@contextmanager
def frozen(broker: Server) -> Iterator[None]:
    broker.send(signal.SIGSTOP)
    try:
        yield
    finally:
        broker.send(signal.SIGCONT)


def seconds_of(call: Callable[[], object]) -> float:
    """That `call` takes to raise `Transient`."""
    begun = time.monotonic()
    with pytest.raises(Transient) as raised:
        call()
    assert raised.value.params["reason"]
    return time.monotonic() - begun


def until_it_works(call: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            call()
            return
        except Transient:
            assert time.monotonic() < deadline, "it never worked again"
            time.sleep(0.1)


def all_of(log: KafkaEvents, topic: str) -> list[Message]:
    browser = log.browse([topic], from_start=True)
    return list(iter(lambda: browser.poll(0), None))


def test_publishing_to_a_frozen_broker_fails_in_bounded_time_then_at_once_then_works_again(
    log: KafkaEvents, broker: Server
) -> None:
    log.publish([record("one", "k", 0)])
    with frozen(broker):
        assert seconds_of(lambda: log.publish([record("one", "k", 1)])) < AT_MOST
        assert seconds_of(lambda: log.publish([record("one", "k", 2)])) < AT_ONCE
    until_it_works(lambda: log.publish([record("one", "k", 3)]))
    found = numbers(all_of(log, "one"))
    assert found[0] == 0
    assert found[-1] == 3
    assert 2 not in found


def test_without_a_broker_nothing_is_accepted_and_a_late_broker_is_found(log: KafkaEvents, broker: Server) -> None:
    broker.stop(signal.SIGKILL)
    member = log.subscribe(["one"], group="g", member="m")
    for call in (
        lambda: log.publish([record("one", "k", 0)]),
        lambda: log.lag("g"),
        lambda: log.browse(["one"], from_start=True),
        lambda: member.poll(0),
    ):
        assert seconds_of(call) < AT_MOST
    broker.start()
    until_it_works(lambda: log.publish([record("one", "k", 1)]))
    assert numbers(received(member)) == [1]


def test_a_member_polls_through_an_outage_and_goes_on_after_its_last_commit(log: KafkaEvents, broker: Server) -> None:
    log.publish(records("one", 3))
    member = log.subscribe(["one"], group="g", member="m")
    member.commit(received(member)[0])
    (in_hand,) = received(member)
    with frozen(broker):
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            member.poll(0.5)
        assert time.monotonic() - begun < 7
    member.resume(in_hand)
    until_it_works(lambda: member.commit(received(member)[0]))
    assert log.lag("g")["one"] <= 1


def test_a_commit_to_a_frozen_broker_ends(log: KafkaEvents, broker: Server) -> None:
    log.publish(records("one", 2))
    member = log.subscribe(["one"], group="g", member="m")
    (message,) = received(member)
    with frozen(broker):
        assert seconds_of(lambda: member.commit(message)) < AT_MOST
    until_it_works(lambda: member.commit(message))


def test_a_topic_that_is_gone_is_made_again(log: KafkaEvents, broker: Server) -> None:
    log.publish([record("one", "k", 0)])
    broker.stop(signal.SIGKILL)  # it holds all in memory
    broker.start()
    until_it_works(lambda: log.publish([record("one", "k", 1)]))
    assert 1 in numbers(all_of(log, "one"))


def test_a_pause_of_the_broker_changes_no_order_and_doubles_nothing(log: KafkaEvents, broker: Server) -> None:
    writers = [threading.Thread(target=publish_one_by_one, args=(log, "many", f"k{n}", 60)) for n in range(4)]
    log.publish([record("many", "first", 0)])
    for writer in writers:
        writer.start()
    for _ in range(3):
        with frozen(broker):
            time.sleep(0.5)  # the outage itself
    for writer in writers:
        writer.join()
    by_key = defaultdict(list)
    for message in all_of(log, "many"):
        by_key[message.key].append(number(message))
    assert all(by_key[f"k{n}"] == list(range(60)) for n in range(4))


def test_a_process_that_was_forked_publishes_beside_its_parent(log: KafkaEvents) -> None:
    log.publish([record("one", "parent", 0)])
    child = multiprocessing.get_context("fork").Process(target=publish_one_by_one, args=(log, "one", "child", 3))
    child.start()
    log.publish([record("one", "parent", 1)])
    child.join(PATIENCE)
    assert child.exitcode == 0
    assert sorted(one.key for one in all_of(log, "one")) == ["child"] * 3 + ["parent"] * 2


def hold_until_killed(url: str, holds: "multiprocessing.synchronize.Event") -> None:
    member = KafkaEvents(url, partitions=four).subscribe(["one"], group="g", member="killed")
    while True:
        if member.poll(0.1):
            holds.set()


def test_what_a_killed_process_had_in_hand_comes_to_another(engine: Engine) -> None:
    url = with_options(engine.fresh(), SHORT_TIMEOUTS)
    log = KafkaEvents(url, partitions=four)
    log.publish(records("one", 1))
    context = multiprocessing.get_context("spawn")
    holds = context.Event()
    process = context.Process(target=hold_until_killed, args=(url, holds))
    process.start()
    assert holds.wait(PATIENCE)
    survivor = log.subscribe(["one"], group="g", member="survivor")
    process.kill()
    assert numbers(received(survivor)) == [0]
    process.join(PATIENCE)
    log.close()
