"""Every event handled again: by a group that was reset to the beginning, and into an empty search index."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from consumers.framework.consumer import Consumer
from demixer import wiring
from demixer.domain import Separation, Song, Status, Tags, Upload
from demixer.ports import SearchIndex
from demixer.wiring import Services, build_services
from schemas.topics import all_topics
from tests import audio_samples, engines
from tests.consumers import consumers_of, resetting
from tests.consumers.driving import drained, letters
from tests.consumers.test_separate import FakeWorker
from tests.steps import keys, now, sent, song_of
from tests.wired import Clock, published

PEOPLE = ("ana", "berta", "carla", "dora", "emil")


@dataclass(frozen=True)
class State:
    """All there is to see, to the last version number."""

    uploads: Sequence[Upload]
    songs: Sequence[Song]
    separations: Sequence[Separation]
    found: Sequence[str]
    files: frozenset[str]
    events: int
    dead: int


def state(services: Services) -> State:
    catalogue = services.catalogue
    sent = [upload for person in PEOPLE for upload in catalogue.uploads.of_person(person, limit=100)]
    brought = [song_of(services, song_id) for song_id in sorted({upload.song_id for upload in sent if upload.song_id})]
    return State(
        uploads=sent,
        songs=brought,
        separations=[each for song in brought for each in catalogue.separations.of_song(song.id)],
        found=found(services, "song"),
        files=frozenset(keys(services)),
        events=len(published(services)),
        dead=sum(len(letters(services, topic)) for topic in all_topics()),
    )


def found(services: Services, query: str) -> list[str]:
    return sorted(song.id for song in services.search.search(query, limit=100).songs)


def all_consumers(services: Services) -> list[Consumer]:
    return [
        consumers_of.fingerprint(services),
        consumers_of.match(services),
        consumers_of.separate(services, FakeWorker()),
        consumers_of.index(services),
    ]


@pytest.fixture
def lived(services: Services, clock: Clock, tmp_path: Path) -> Services:
    """Of five people one sends a song that another has sent, one sends a PDF, and one cancels and sends the song again;
    a song is edited."""
    one, two, three = (song_file(tmp_path, seed) for seed in (1, 2, 3))
    for person, data in (("ana", one), ("berta", one), ("carla", two), ("dora", b"%PDF-1.7 no song")):
        sent(services, person, data)
    services.uploads.cancel("emil", sent(services, "emil", three).id)
    services.flush()
    drained(services, clock, *all_consumers(services))
    sent(services, "emil", three)
    (edited,) = {upload.song_id or "" for upload in services.catalogue.uploads.of_person("carla", limit=9)}
    services.songs.edit("carla", edited, Tags(artist="Carla", title="Another song"))
    services.flush()
    drained(services, clock, *all_consumers(services))
    return services


def song_file(folder: Path, seed: int) -> bytes:
    sound = audio_samples.music(6.0, seed)
    return audio_samples.write(folder / f"{seed}.flac", sound, "-metadata", f"title=Song {seed}").read_bytes()


@pytest.mark.thorough
def test_a_group_that_was_reset_to_the_beginning_goes_through_everything_and_changes_nothing(
    lived: Services, clock: Clock
) -> None:
    before = state(lived)
    ended = [lived.uploads.view(now(lived, upload)).status for upload in before.uploads]
    assert sorted(ended) == [Status.CANCELLED, Status.FAILED, *[Status.READY] * 4]
    assert (len(before.songs), len(before.separations), before.dead) == (3, 3, 0)
    again = all_consumers(lived)
    for consumer in again:
        resetting.to_the_beginning(lived, consumer)
        assert sum(lived.events.lag(consumer.name).values()) == len(published(lived, *consumer.topics)) > 0
    drained(lived, clock, *again)
    for consumer in again:
        assert set(lived.events.lag(consumer.name).values()) == {0}
    assert state(lived) == before


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SearchIndex]:
    url = engines.in_use.elasticsearch.fresh() if engines.in_use else f"sqlite:///{tmp_path / 'new.db'}"
    with closing(wiring.open_search(url)) as search:
        yield search


@pytest.mark.thorough
def test_a_full_replay_fills_a_search_index_that_is_empty(lived: Services, clock: Clock, empty: SearchIndex) -> None:
    before = found(lived, "song")
    assert len(before) == 3
    moved = build_services(replace(lived.adapters, search=empty))
    assert found(moved, "song") == []
    drained(moved, clock, replace(consumers_of.index(moved), name="index-again"))
    assert found(moved, "song") == before
    assert found(moved, "carla") == [song.id for song in state(moved).songs if song.tags.artist == "Carla"]
