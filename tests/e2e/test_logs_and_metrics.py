"""What whoever runs the service is told: the same upload in the log of every process, and numbers at every port."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests

from tests import music
from tests.e2e.service import Service, service, wait_for
from tests.ports import free_ports

pytestmark = pytest.mark.slow
PROCESSES = ("web", "fingerprint", "match", "separate")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    told = {"LOG_FORMAT": "json", "METRICS_PORT": str(free_ports(5))}
    with service(tmp_path_factory.mktemp("data"), MODEL="spleeter-2stems", DEVICE="cpu", **told) as started:
        yield started


@pytest.fixture(scope="module")
def upload(running: Service) -> dict[str, Any]:
    ana = running.person("ana@example.org")
    ended = ana.ended(ana.upload(music.stem_file())["id"])
    assert ended["status"] == "ready", ended
    return ended


def lines(running: Service, process: str) -> list[dict[str, Any]]:
    text = (running.data_dir / "logs" / f"{process}.log").read_text()
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]


def lines_about(running: Service, process: str, name: str, one: str) -> list[dict[str, Any]]:
    return [line for line in lines(running, process) if line.get(name) == one]


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_logs_the_upload_in_json(running: Service, upload: dict[str, Any], process: str) -> None:
    told = lines_about(running, process, "upload", upload["id"])
    assert told
    if process != "web":
        assert {line["consumer"] for line in told} == {process}
    if process in ("match", "separate"):
        assert upload["song_id"] in {line.get("song") for line in told}


def numbers(port: int) -> str:
    """ "" while nobody listens: a process may still start when the song is ready."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    except requests.ConnectionError:
        return ""


def counts(consumer: str, port: int) -> bool:
    return f'demixer_messages_total{{consumer="{consumer}"' in numbers(port)


def test_the_metrics_of_every_process_can_be_read(running: Service, upload: dict[str, Any]) -> None:
    first = int(running.environ["METRICS_PORT"])
    for port, consumer in enumerate(("fingerprint", "match", "separate", "index"), first + 1):
        wait_for(f"{consumer} counts", partial(counts, consumer, port), seconds=60)
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    assert 'demixer_separation_seconds_per_audio_second_count{device="CPU' in numbers(first + 3)
    web = numbers(first)
    assert 'route="/api/v1/uploads",status="202"} 1.0' in web
    assert 'demixer_consumer_lag{group="separate",topic="separations"} 0.0' in web


def test_index_logs_an_upload_that_joined_a_song(running: Service, upload: dict[str, Any]) -> None:
    """One that brings a song is found there by its song."""
    berta = running.person("berta@example.org")
    joined = berta.ended(berta.upload(music.stem_file())["id"])
    assert joined["song_id"] == upload["song_id"]
    for name, one in (("upload", joined["id"]), ("song", upload["song_id"])):
        told = partial(lines_about, running, "index", name, one)
        assert {line["consumer"] for line in wait_for(f"index tells of {name}", told, seconds=60)} == {"index"}
