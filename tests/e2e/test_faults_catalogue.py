"""MongoDB is killed and started again while people send songs and songs are separated."""

import threading
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.e2e import faults
from tests.e2e.service import Client, Service, wait_for
from tests.servers import Engine

pytestmark = [pytest.mark.slow, pytest.mark.own_servers, pytest.mark.timeout(300)]
BUSY = "The service is busy. Please try again in a moment."


@pytest.fixture
def mongodb(tmp_path: Path) -> Iterator[Engine]:
    with servers.started(servers.mongodb, tmp_path) as engine:
        yield engine


@pytest.fixture
def urls(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine) -> faults.Urls:
    return faults.urls(kafka, mongodb, elasticsearch, s3)


class Sender:
    """Somebody who sends one song after the other in a thread, whatever is answered."""

    def __init__(self, person: Client, songs: list[Path]) -> None:
        self.accepted: list[str] = []
        self.refused: list[requests.Response] = []
        self._person, self._songs, self._over = person, songs, threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _send(self) -> None:
        for song in cycle(self._songs):
            if self._over.wait(0.3):
                return
            self._note(self._person.send(song))

    def _note(self, answer: requests.Response) -> None:
        if answer.status_code == 202:
            self.accepted.append(answer.json()["id"])
        else:
            self.refused.append(answer)


def pages_say_that_it_is_busy(running: Service) -> None:
    for path in ("/", "/newest"):
        page = requests.get(running.url + path, timeout=30)
        assert page.status_code == 503
        assert page.headers["Retry-After"]
        assert BUSY in page.text
        assert "Traceback" not in page.text
    assert requests.get(f"{running.url}/healthz", timeout=30).status_code == 200


def test_what_was_accepted_ends_ready_though_the_catalogue_was_killed(
    urls: faults.Urls, mongodb: Engine, tmp_path: Path
) -> None:
    database = faults.own(mongodb, "TEST_MONGODB")
    sending = faults.songs(tmp_path, 5, seconds=30)
    with faults.service_on(urls, tmp_path) as running, faults.services_of(running) as services:
        person = running.person("ana@example.org")
        sent = [person.upload(song)["id"] for song in sending[:3]]
        wait_for("one is separated", lambda: person.see(sent[0])["status"] == "separating", seconds=60)
        with Sender(Client(running.url, person.token), sending[3:]) as sender:
            wait_for("more are on their way", lambda: sender.accepted, seconds=60)
            faults.kill(database)
            pages_say_that_it_is_busy(running)
            wait_for("a song is refused", lambda: sender.refused, seconds=60)
            database.start()
            before = len(sender.accepted)
            wait_for("songs are taken again", lambda: len(sender.accepted) > before, seconds=60)
        faults.once_each(running, services, faults.ended(person, sent + sender.accepted))
        for answer in sender.refused:
            assert (answer.status_code, answer.json()["detail"]) == (503, BUSY)
