"""Consumers of one group: one is killed in the middle of its work; and machines whose clocks differ by an hour."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from demixer.domain import Separation, SeparationState
from demixer.wiring import Services
from tests.e2e import faults
from tests.e2e.service import wait_for
from tests.servers import Engine
from tests.wired import published

pytestmark = [pytest.mark.slow, pytest.mark.own_servers, pytest.mark.timeout(300)]
SONGS = 5
HOUR = 3600  # seconds
MACHINES = {"fingerprint": HOUR, "match": -HOUR, "separate": HOUR, "maintenance": -HOUR}


@pytest.fixture
def urls(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine) -> faults.Urls:
    return faults.urls(kafka, mongodb, elasticsearch, s3)


def at_work(services: Services, seat: int) -> Separation | None:
    """What the member with that number works on, once it has reported progress."""
    running = services.catalogue.separations.in_state([SeparationState.RUNNING])
    return next((one for one in running if one.lease_owner.endswith(f"-{seat}") and one.progress > 0), None)


def test_one_of_two_that_separate_is_killed_in_a_song_and_each_song_is_made_once(
    urls: faults.Urls, tmp_path: Path
) -> None:
    sending = faults.songs(tmp_path, SONGS, seconds=30)
    with faults.service_on(urls, tmp_path) as running, faults.services_of(running) as services:
        seats = running.data_dir / "members"
        wait_for("the first takes its seat", (seats / "separate-1.lock").exists, seconds=60)
        with faults.beside(running, "separate-2", "demixer.cli.main", "consume", "separate") as second:
            wait_for("the second takes its seat", (seats / "separate-2.lock").exists, seconds=60)
            person = running.person("ana@example.org")
            sent = [person.upload(song)["id"] for song in sending]
            torn = wait_for("the second works on a song", lambda: at_work(services, 2), seconds=120)
            second.kill()
            second.wait()
            left = services.catalogue.separations.get(torn.id)
            assert left
            assert left.state is SeparationState.RUNNING, "it was quicker than the kill"
        faults.once_each(running, services, faults.ended(person, sent))


@pytest.mark.parametrize("way", [1, -1])
def test_clocks_an_hour_apart_lose_no_upload_and_separate_none_twice(
    urls: faults.Urls, tmp_path: Path, way: int
) -> None:
    sending = faults.songs(tmp_path, 4)
    with faults.web_on(urls, tmp_path) as running, faults.services_of(running) as services, ExitStack() as machines:
        for name, ahead in MACHINES.items():
            machines.enter_context(faults.beside(running, name, "tests.e2e.skewed", str(way * ahead), name))
        person = running.person("ana@example.org")
        sent = [person.upload(song)["id"] for song in sending]
        faults.once_each(running, services, faults.ended(person, sent))
        apart = [abs(event.time - services.clock()) for event in published(services, "matching", "songs")]
        assert min(apart) > timedelta(minutes=50), "the clocks were right"
