from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import Event, Song, SongState, Tags, events
from demixer.wiring import Services, build_services
from search.elastic.search_index import ElasticSearch
from tests import servers
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.consumers.killing import killed
from tests.steps import an_analysis, matched, sent, separated, song_of
from tests.wired import Clock, published


@pytest.fixture
def song(services: Services, tmp_path: Path) -> Song:
    """It has stems; the index does not know of it yet."""
    song_id = matched(services, sent(services), an_analysis(title="Falcon")).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    return song_of(services, song_id)


def index_all(services: Services, clock: Clock) -> None:
    drained(services, clock, consumers_of.index(services))


def found(services: Services, query: str) -> list[str]:
    return [song.id for song in services.search.search(query, limit=10).songs]


def edit(services: Services, song: Song, title: str) -> None:
    services.songs.edit("ana", song.id, Tags(title=title))
    services.flush()


def remove(services: Services, song: Song) -> None:
    gone = replace(song_of(services, song.id), state=SongState.WITHDRAWN)
    services.work.save(services.catalogue.songs, gone, [events.song_removed(gone)])
    services.flush()


def test_the_index_says_what_the_catalogue_says(services: Services, clock: Clock, tmp_path: Path) -> None:
    song = song_of(services, matched(services, sent(services), an_analysis(title="Falcon")).song_id)
    index_all(services, clock)
    assert found(services, "falcon") == []
    separated(services, tmp_path / "stems", song.id)
    index_all(services, clock)
    assert found(services, "falcon") == [song.id]
    edit(services, song, "Eagle")
    index_all(services, clock)
    assert (found(services, "falcon"), found(services, "eagle")) == ([], [song.id])


def test_neither_order_nor_repetition_matters_to_the_index(services: Services, clock: Clock, song: Song) -> None:
    edit(services, song, "Eagle")
    events: list[Event] = published(services, "songs")
    publish(services, *reversed(events), *events)
    index_all(services, clock)
    assert found(services, "eagle") == [song.id]


def test_a_removed_song_leaves_the_index(services: Services, clock: Clock, song: Song) -> None:
    index_all(services, clock)
    assert found(services, "falcon") == [song.id]
    remove(services, song)
    index_all(services, clock)
    assert found(services, "falcon") == []


def test_the_index_waits_for_its_engine_however_long(services: Services, clock: Clock, tmp_path: Path) -> None:
    """It was down for half an hour, and comes back with nothing."""
    with servers.started(servers.elasticsearch, tmp_path) as engine:
        if engine.server is None:
            pytest.skip("the server that TEST_ELASTICSEARCH names is not ours to stop")
        with closing(ElasticSearch(engine.fresh())) as search:
            engine.server.stop()
            moved = build_services(replace(services.adapters, search=search))
            song_id = matched(services, sent(services), an_analysis(title="Falcon")).song_id or ""
            separated(services, tmp_path / "stems", song_id)
            loop = loop_of(moved, consumers_of.index(moved), clock)
            for _ in range(30):
                steps(loop, 1)
                clock.advance(60)
            assert letters(services, "songs") == []
            engine.server.start()
            clock.advance(60)
            steps(loop)
            loop._leave()
            assert found(moved, "falcon") == [song_id]


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("removed", [False, True])
def test_killed_after_any_step_the_next_index_completes_it(
    services: Services, clock: Clock, song: Song, after: int, removed: bool
) -> None:
    if removed:
        index_all(services, clock)
        remove(services, song)
    assert killed(services, consumers_of.index, clock, after=after)
    index_all(services, clock)
    assert found(services, "falcon") == ([] if removed else [song.id])
