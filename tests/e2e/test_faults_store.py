"""The file store takes nothing, or is away, while people send songs and songs are separated."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from demixer.wiring import Services
from tests.e2e import faults
from tests.e2e.gates import FullStore, Gate
from tests.e2e.service import PASSWORD, Client, Service, wait_for
from tests.servers import Engine

pytestmark = [pytest.mark.slow, pytest.mark.own_servers, pytest.mark.timeout(300)]
AWAY = "The service is busy. Please try again in a moment."
FULL = "The disk of the server is full, so this could not be done."


@dataclass
class Scene:
    """A service whose store can be taken from it, and what the tests look at."""

    running: Service
    services: Services
    gate: Gate
    store: FullStore


@pytest.fixture(scope="module")
def scene(
    kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    server, gate = faults.own(s3, "TEST_S3"), Gate()
    store = FullStore(server.port)
    gate.open(store.port)
    urls = dict(faults.urls(kafka, mongodb, elasticsearch, s3))
    urls["FILES_URL"] = urls["FILES_URL"].replace(f":{server.port}", f":{gate.port}")
    with faults.service_on(urls, tmp_path_factory.mktemp("store")) as running, faults.services_of(running) as services:
        yield Scene(running, services, gate, store)
    gate.leave()
    store.leave()


@contextmanager
def leaving_nothing(scene: Scene, person: Client) -> Iterator[None]:
    """No upload of this person, and no file of anybody, is there afterwards."""
    before = set(dict(scene.services.files.keys("uploads")))
    yield
    found = scene.services.accounts.by_token(person.token)
    assert found
    assert list(scene.services.catalogue.uploads.of_person(found.id, limit=10)) == []
    assert set(dict(scene.services.files.keys("uploads"))) <= before


@contextmanager
def full(scene: Scene) -> Iterator[None]:
    scene.store.full = True
    try:
        yield
    finally:
        scene.store.full = False


def test_a_full_store_refuses_uploads_with_a_reason_and_leaves_nothing_behind(scene: Scene, tmp_path: Path) -> None:
    person = scene.running.person("full@example.org")
    (song,) = faults.songs(tmp_path, 1)
    with leaving_nothing(scene, person), full(scene):
        answer = person.send(song)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
        assert answer.json()["detail"].startswith(FULL)


def test_a_store_that_is_away_refuses_uploads_with_a_reason_and_leaves_nothing_behind(
    scene: Scene, tmp_path: Path
) -> None:
    person = scene.running.person("away@example.org")
    (song,) = faults.songs(tmp_path, 1)
    with leaving_nothing(scene, person), scene.gate.closed():
        answer = person.send(song)
        assert (answer.status_code, answer.json()["detail"]) == (503, AWAY)
        assert requests.get(scene.running.url, timeout=30).status_code == 200


def test_an_upload_waits_for_a_store_that_is_away_for_a_while(scene: Scene, tmp_path: Path) -> None:
    person = scene.running.person("waits@example.org")
    (song,) = faults.songs(tmp_path, 1)
    with faults.frozen(scene.running, "consume fingerprint"):
        upload_id = person.upload(song)["id"]
        scene.gate.close()
    try:
        wait_for("it is tried again", lambda: "does not answer" in log_of(scene, "fingerprint"), seconds=60)
    finally:
        scene.gate.open(scene.store.port)
    assert person.ended(upload_id)["status"] == "ready"


def log_of(scene: Scene, process: str) -> str:
    return (scene.running.data_dir / "logs" / f"{process}.log").read_text()


def separating(scene: Scene, person: Client, song: Path) -> str:
    upload_id = str(person.upload(song)["id"])
    wait_for("it is separated", lambda: person.see(upload_id)["status"] == "separating", seconds=60)
    return upload_id


def try_again(running: Service, email: str, upload_id: str) -> None:
    """As a person does it on the page."""
    session = requests.Session()
    said = {"email": email, "password": PASSWORD}
    for path, form in (("/sign-in", said), (f"/uploads/{upload_id}/retry", {})):
        page = session.get(f"{running.url}/sign-in", timeout=30).text
        token = re.findall(r'name="csrf-token" content="([^"]+)"', page)[0]
        answer = session.post(running.url + path, data=form, headers={"X-CSRFToken": token}, timeout=30)
        assert answer.status_code == 200, answer.text


def failed(person: Client, upload_id: str) -> dict[str, Any]:
    ended = person.ended(upload_id, seconds=180)
    assert ended["status"] == "failed", ended
    return dict(ended["error"])


def test_a_separation_fails_in_a_full_store_says_so_and_is_made_when_its_person_tries_again(
    scene: Scene, tmp_path: Path
) -> None:
    person = scene.running.person("again@example.org")
    song = faults.songs(tmp_path, 2, seconds=30)[1]
    upload_id = separating(scene, person, song)
    with full(scene):
        assert failed(person, upload_id)["detail"].startswith(FULL)
    try_again(scene.running, "again@example.org", upload_id)
    wait_for("it is ready", lambda: person.see(upload_id)["status"] == "ready", seconds=60)


def test_a_separation_fails_without_the_store_says_so_and_is_made_by_a_replay(scene: Scene, tmp_path: Path) -> None:
    person = scene.running.person("replay@example.org")
    song = faults.songs(tmp_path, 3, seconds=30)[2]
    upload_id = separating(scene, person, song)
    with scene.gate.closed():
        assert failed(person, upload_id)["detail"] == AWAY
        wait_for("a dead letter", lambda: "separations" in scene.running.command("dead-letters", "list"), seconds=30)
    scene.running.command("dead-letters", "replay", "--all")
    wait_for("it is ready", lambda: person.see(upload_id)["status"] == "ready", seconds=60)
