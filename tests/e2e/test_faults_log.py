"""The event log is away while people send songs; and it comes back with nothing in it."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from demixer.adapters.kafka.event_log import KafkaEvents
from demixer.domain.errors import Transient
from demixer.ports import Record
from tests import servers
from tests.contract.events import numbers, received, record
from tests.contract.kafka_worlds import four
from tests.e2e import faults
from tests.e2e.gates import Gate
from tests.e2e.service import Client, wait_for
from tests.servers import Engine, Server

pytestmark = [pytest.mark.slow, pytest.mark.own_servers, pytest.mark.timeout(400)]
OUTAGE = 30.0  # seconds
PAUSE = 3.0  # between two uploads while it lasts


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.leave()


@pytest.fixture(scope="module")
def kafka(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A broker behind the gate: it holds all in memory, so it must not end when it is to be away."""
    faults.not_given("TEST_KAFKA")
    opening = partial(servers.kafka, advertised=gate.port)
    with servers.started(opening, tmp_path_factory.mktemp("kafka")) as engine:
        assert engine.server
        gate.open(engine.server.port)
        yield engine


@pytest.fixture
def broker(kafka: Engine) -> Server:
    return faults.own(kafka, "TEST_KAFKA")


@pytest.fixture
def urls(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine) -> faults.Urls:
    return faults.urls(kafka, mongodb, elasticsearch, s3)


def sent_for(seconds: float, person: Client, songs: list[Path]) -> list[str]:
    """The ids of all that were received, one every few seconds; each says so in words if it was not."""
    accepted, until = list[str](), time.monotonic() + seconds
    for song in cycle(songs):
        answer = person.send(song)
        assert answer.status_code in (202, 503), answer.text
        accepted += [answer.json()["id"]] if answer.status_code == 202 else []
        assert answer.status_code == 202 or answer.json()["detail"]
        time.sleep(max(0.0, min(PAUSE, until - time.monotonic())))  # the outage itself
        if time.monotonic() >= until:
            return accepted
    raise AssertionError("there are no songs")


def test_what_was_received_while_the_log_was_away_ends_ready(urls: faults.Urls, gate: Gate, tmp_path: Path) -> None:
    sending = faults.songs(tmp_path, 8)
    with faults.service_on(urls, tmp_path) as running, faults.services_of(running) as services:
        person = running.person("ana@example.org")
        sent = [person.upload(song)["id"] for song in sending[:2]]
        with gate.closed():
            during = sent_for(OUTAGE, person, sending[2:])
            assert len(during) >= 3
            assert {person.see(upload_id)["status"] for upload_id in during} == {"received"}
        faults.once_each(running, services, faults.ended(person, sent + during))


def test_open_uploads_are_published_again_to_a_log_that_came_back_empty(
    urls: faults.Urls, broker: Server, tmp_path: Path
) -> None:
    sending = faults.songs(tmp_path, 3)
    with faults.service_on(urls, tmp_path) as running, faults.services_of(running) as services:
        person = running.person("ana@example.org")
        faults.ended(person, [person.upload(sending[0])["id"]])
        with faults.frozen(running, "consume fingerprint"):
            sent = [person.upload(song)["id"] for song in sending[1:]]
            wait_for("the log has their events", lambda: services.events.lag("fingerprint")["uploads"] >= 2, seconds=30)
            faults.kill(broker)
            broker.start()
        with faults.beside(running, "hasty", "tests.e2e.hasty"):
            uploads = faults.ended(person, sent, seconds=180)
        faults.once_each(running, services, uploads)


def test_a_member_reads_on_though_its_topic_was_gone_for_a_moment(kafka: Engine, broker: Server) -> None:
    url = faults.impatient(kafka)
    with closing(KafkaEvents(url, partitions=four)) as log, closing(KafkaEvents(url, partitions=four)) as other:
        log.publish([record("one", "k", 0)])
        member = log.subscribe(["one"], group="g", member="m")
        member.commit(received(member)[0])
        faults.kill(broker)
        broker.start()
        assert member.poll(2.0) is None  # it joins, and is given nothing
        wait_for("the topic is made", lambda: published(other, record("one", "k", 1)), seconds=30)
        assert numbers(received(member)) == [1]


def published(log: KafkaEvents, record: Record) -> bool:
    try:
        log.publish([record])
    except Transient:
        return False
    return True
