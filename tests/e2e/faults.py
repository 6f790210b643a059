"""The service on engines that are taken from it: what the fault tests share."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from demixer.cli import supervisor
from demixer.runtime.settings import load
from demixer.wiring import Services, open_services
from tests import music, small_models
from tests.contract.kafka_worlds import with_options
from tests.e2e.service import Client, Service, wait_for
from tests.engines import QUICK_GROUPS
from tests.servers import Engine, Server
from tests.wired import published

ROOT = Path(__file__).parents[2]
Urls = Mapping[str, str]


def urls(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine) -> Urls:
    """The environment of an installation of its own on these engines."""
    database = mongodb.fresh()
    return {
        "EVENTS_URL": impatient(kafka),
        "CATALOGUE_URL": database,
        "ACCOUNTS_URL": database,
        "SEARCH_URL": elasticsearch.fresh(),
        "FILES_URL": s3.fresh(),
    }


def impatient(kafka: Engine) -> str:
    """The URL of a fresh namespace, where members that are gone are missed within a second."""
    return with_options(kafka.fresh(), QUICK_GROUPS)


def own(engine: Engine, variable: str) -> Server:
    """Its server, which may be stopped. Skips where somebody gave it to the tests."""
    if engine.server is None:
        pytest.skip(f"the server of {variable} is not ours to stop")
    return engine.server


def not_given(variable: str) -> None:
    """Skips where the server is one that we cannot stand in front of."""
    if os.environ.get(variable):
        pytest.skip(f"the server of {variable} is not ours to stop")


@contextmanager
def service_on(urls: Urls, folder: Path) -> Iterator[Service]:
    """Started, with the small model. In the end none of its processes has crashed."""
    running = Service(folder / "data", **settings(urls, folder))
    try:
        running.start()
        yield running
        assert crashes(running) == []
    finally:
        running.stop()


@contextmanager
def web_on(urls: Urls, folder: Path) -> Iterator[Service]:
    """The web server alone: whoever wants consumers starts them beside it."""
    running = Service(folder / "data", **settings(urls, folder))
    (running.data_dir / "logs").mkdir(parents=True)
    with beside(running, "web", "demixer.cli.main", "web"):
        wait_for("the web server answers", lambda: supervisor.web_answers(running.url), seconds=60)
        yield running


def settings(urls: Urls, folder: Path) -> Mapping[str, str]:
    models = {"MODELS_DIR": str(small_models.save(folder / "models")), "MODEL": "htdemucs", "DEVICE": "cpu"}
    return {**urls, **models, "WEB_WORKERS": "1"}


def crashes(running: Service) -> list[str]:
    return [line for line in running.output if "unexpectedly" in line]


def songs(folder: Path, count: int, seconds: float = 10) -> list[Path]:
    """That many different recordings."""
    return [music.clip(track, folder / f"{track.stem}.flac", 5, seconds) for track in music.tracks()[:count]]


def ended(person: Client, sent: Sequence[str], *, seconds: float = 120) -> list[dict[str, Any]]:
    return [person.ended(upload_id, seconds=seconds) for upload_id in sent]


@contextmanager
def services_of(running: Service) -> Iterator[Services]:
    """The same engines, to look at from the test."""
    with closing(open_services(load(running.environ))) as services:
        yield services


def once_each(running: Service, services: Services, ended: Sequence[Mapping[str, Any]]) -> None:
    """Every upload is ready, and every song of theirs was brought to that exactly once."""
    assert Counter(upload["status"] for upload in ended) == {"ready": len(ended)}, ended
    songs = {upload["song_id"] for upload in ended}
    wait_for("the log says so of each song", lambda: songs <= times_shown(services).keys(), seconds=30)
    assert max(times_shown(services).values()) == 1
    assert max(times_separated(running).values()) == 1


def times_shown(services: Services) -> Counter[str]:
    """How often each song became separated. An event that was published twice counts once."""
    shown = {event.id: event.subject for event in published(services, "songs") if event.type == "song.separated"}
    return Counter(shown.values())


def times_separated(running: Service) -> Counter[str]:
    """How often each song was brought to `ready`, by the line that the consumer logs just after: or not yet."""
    logs = "\n".join(path.read_text() for path in running.data_dir.glob("logs/separate*.log"))
    return Counter(re.findall(r"separated by .* song=(\w+)", logs))


@contextmanager
def beside(running: Service, name: str, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One more process of the installation, as on another machine: `python -m` with `command`. Killed in the end."""
    with (running.data_dir / "logs" / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=running.environ, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def kill(server: Server) -> None:
    server.stop(signal.SIGKILL)


@contextmanager
def frozen(running: Service, command: str) -> Iterator[None]:
    """The process with that in its command line does nothing meanwhile."""
    (process,) = [child for child in running.children() if command in " ".join(child.cmdline())]
    process.suspend()
    try:
        yield
    finally:
        process.resume()
