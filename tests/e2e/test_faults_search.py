"""Elasticsearch is away while songs are indexed and looked for, and comes back with nothing in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import servers
from tests.e2e import faults
from tests.e2e.service import Client, Service, wait_for
from tests.servers import Engine

pytestmark = [pytest.mark.slow, pytest.mark.own_servers, pytest.mark.timeout(300)]


@pytest.fixture
def elasticsearch(tmp_path: Path) -> Iterator[Engine]:
    with servers.started(servers.elasticsearch, tmp_path) as engine:
        yield engine


@pytest.fixture
def urls(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine) -> faults.Urls:
    return faults.urls(kafka, mongodb, elasticsearch, s3)


def found(person: Client, query: str) -> tuple[list[str], bool]:
    """The titles, and whether the search engine rests."""
    answer: dict[str, Any] = person.get(f"/api/v1/songs?q={query}")
    return [song["title"] for song in answer["songs"]], answer["resting"]


def page(running: Service, path: str) -> str:
    answer = requests.get(running.url + path, timeout=30)
    assert answer.status_code == 200
    return answer.text


def sent(person: Client, song: Path, title: str) -> str:
    """The id of its song, once it is ready."""
    ended = person.ended(person.upload(song, artist="Ñandú", title=title)["id"])
    assert ended["status"] == "ready", ended
    return str(ended["song_id"])


def test_search_is_degraded_says_so_and_recovers_by_itself(
    urls: faults.Urls, elasticsearch: Engine, tmp_path: Path
) -> None:
    engine = faults.own(elasticsearch, "TEST_ELASTICSEARCH")
    first, second = faults.songs(tmp_path, 2)
    with faults.service_on(urls, tmp_path) as running:
        person = running.person("ana@example.org")
        song_id = sent(person, first, "Before")
        wait_for("it is found by its end", lambda: found(person, "nandu+before") == (["Before"], False), seconds=60)
        faults.kill(engine)
        assert found(person, "before") == (["Before"], True)
        assert found(person, "nandu+before") == ([], True)  # no title begins so
        assert "Search is limited right now" in page(running, "/search?q=before")
        sent(person, second, "Meanwhile")
        assert found(person, "meanwhile") == (["Meanwhile"], True)
        for path in ("/", "/newest", f"/songs/{song_id}"):
            assert "Before" in page(running, path)
        engine.start()  # empty: it holds all in memory
        wait_for("the other is found", lambda: found(person, "nandu+mean") == (["Meanwhile"], False), seconds=90)
        assert "Search is limited right now" not in page(running, "/search?q=meanwhile")
        running.command("reindex")
        assert found(person, "nandu+before") == (["Before"], False)
