"""The `names` consumer against a server that answers as AcoustID does."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.framework.loop import Loop
from consumers.framework.task_slots import Threads
from demixer.domain import SeparationState, Song, Tags
from demixer.wiring import Services, build_services
from tests import acoustid_server
from tests.acoustid_server import KEY, AcoustId, recording, result
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters, loop_of, publish
from tests.consumers.test_separate import FakeWorker
from tests.steps import an_analysis, matched, sent, separated, separation_of, song_of
from tests.wired import Clock, published

FALCON = Tags(artist="The Easton Ellises", album="EP One", title="Falcon 69")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AcoustId]:
    with acoustid_server.running(monkeypatch) as state:
        state.knows(result(recording()))
        yield state


@pytest.fixture
def asking(services: Services) -> Services:
    """The services with a key, so that AcoustID is asked."""
    settings = replace(services.settings, acoustid_api_key=KEY)
    return build_services(replace(services.adapters, settings=settings))


@pytest.fixture
def song(services: Services) -> Song:
    return song_of(services, matched(services, sent(services), an_analysis(artist="", title="track01")).song_id)


def committed(services: Services) -> bool:
    return services.events.lag("names")["separations"] == 0


def test_a_song_without_tags_gets_names_proposed(asking: Services, clock: Clock, server: AcoustId, song: Song) -> None:
    drained(asking, clock, consumers_of.names(asking))
    assert asking.songs.view(song.id, "ana").proposed_tags == FALCON
    assert committed(asking)


def test_a_replay_asks_nothing(asking: Services, clock: Clock, server: AcoustId, song: Song) -> None:
    drained(asking, clock, consumers_of.names(asking))
    before = song_of(asking, song.id)
    publish(asking, *published(asking, "separations"))
    drained(asking, clock, consumers_of.names(asking), replace(consumers_of.names(asking), name="names-again"))
    assert len(server.asked) == 1
    assert song_of(asking, song.id) == before


def test_a_song_with_tags_is_not_asked_about(asking: Services, clock: Clock, server: AcoustId) -> None:
    matched(asking, sent(asking))
    drained(asking, clock, consumers_of.names(asking))
    assert (server.asked, committed(asking)) == ([], True)


def test_without_a_key_nobody_is_asked(
    services: Services, clock: Clock, server: AcoustId, song: Song, caplog: pytest.LogCaptureFixture
) -> None:
    drained(services, clock, consumers_of.names(services))
    assert server.asked == []
    assert song_of(services, song.id) == song
    assert "ACOUSTID_API_KEY is not set" in caplog.text


def test_a_failure_is_a_line_in_the_log_and_the_event_is_done(
    asking: Services, clock: Clock, server: AcoustId, song: Song, caplog: pytest.LogCaptureFixture
) -> None:
    server.status, server.body = 500, "down"
    drained(asking, clock, consumers_of.names(asking))
    assert (letters(asking, "separations"), len(server.asked), committed(asking)) == ([], 1, True)
    assert [record.levelno for record in caplog.records if "AcoustID" in record.getMessage()] == [logging.WARNING]
    assert KEY not in caplog.text
    assert song_of(asking, song.id) == song
    server.status = 200
    server.knows(result(recording()))
    publish(asking, *published(asking, "separations"))
    drained(asking, clock, consumers_of.names(asking))
    assert song_of(asking, song.id).proposed_tags == FALCON


def test_a_service_that_hangs_holds_nobody_up(asking: Services, clock: Clock, server: AcoustId, song: Song) -> None:
    """The song is separated while AcoustID says nothing."""
    server.silent.set()
    consumer = consumers_of.names(asking)
    loop = loop_of(asking, consumer, clock, executor=Threads(consumer.at_once, consumer.name))
    until(lambda: bool(server.asked), loop)
    drained(asking, clock, consumers_of.separate(asking, FakeWorker()))
    assert separation_of(asking, song.separation_id).state is SeparationState.READY
    assert not committed(asking)
    server.over.set()
    until(lambda: committed(asking), loop)
    loop._leave()
    assert song_of(asking, song.id).proposed_tags is None


def until(condition: Callable[[], bool], loop: Loop) -> None:
    """As often as it takes; the test's time limit is the limit."""
    while not condition():
        loop._run_once()


def test_names_that_are_accepted_are_found(
    asking: Services, clock: Clock, server: AcoustId, song: Song, tmp_path: Path
) -> None:
    separated(asking, tmp_path / "stems", song.id)
    drained(asking, clock, consumers_of.names(asking), consumers_of.index(asking))
    assert found(asking, "falcon") == []
    asking.naming.accept("ana", song.id)
    asking.flush()
    drained(asking, clock, consumers_of.index(asking))
    assert found(asking, "falcon") == [song.id]


def found(services: Services, query: str) -> list[str]:
    return [song.id for song in services.search.search(query, limit=10).songs]
