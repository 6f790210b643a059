"""Pages read what they show in a number of queries that does not grow with what they show."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from demixer.domain import Person, Relation, RelationType, SeparationState, Song, Tags, Upload, UploadState
from demixer.wiring import Services
from tests.web.counting import CountingCatalogue, counting
from tests.web.visiting import Browser, a_ready_song, a_song
from web.app import close, create_app
from web.live.broadcaster import Changes, Listener
from web.presentation import paging
from web.views import live

MANY = 100
QUERIES_AFTER_WAKE_UPS = [4, 4, 3, 7]  # by what changed: uploads, the queue, the song; nothing, so all is read


@pytest.fixture
def counted(services: Services) -> tuple[Services, CountingCatalogue]:
    return counting(services)


@pytest.fixture
def catalogue(counted: tuple[Services, CountingCatalogue]) -> CountingCatalogue:
    return counted[1]


@pytest.fixture
def app(counted: tuple[Services, CountingCatalogue]) -> Iterator[Flask]:
    made = create_app(counted[0])
    yield made
    close(made)


def uploads_of(services: Services, person: Person, count: int) -> list[Upload]:
    """In all states: every third is ready, every third separating, every third in the queue."""
    return [_upload(services, person, number) for number in range(count)]


def _upload(services: Services, person: Person, number: int) -> Upload:
    song = (a_ready_song if number % 3 == 0 else a_song)(services, person, f"Song {number}")
    if number % 3 == 1:
        store = services.catalogue.separations
        separation = store.get(song.separation_id or "")
        assert separation
        store.save(replace(separation, state=SeparationState.RUNNING))
    now = services.clock()
    return services.catalogue.uploads.save(
        Upload(
            id=f"{number:032x}",
            person_id=person.id,
            filename=f"{number}.mp3",
            size=1,
            sha256=song.sha256,
            audio_key="",
            given_tags=Tags(),
            created_at=now,
            updated_at=now,
            state=UploadState.JOINED,
            song_id=song.id,
        )
    )


def queries(browser: Browser, catalogue: CountingCatalogue, path: str) -> Counter[str]:
    with catalogue.counted() as calls:
        response = browser.get(path)
        assert response.status_code == 200
        assert response.data
    return calls


def test_the_uploads_page_with_100_rows_makes_at_most_10_queries(
    browser: Browser, services: Services, ana: Person, catalogue: CountingCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "SIZE", MANY)
    uploads_of(services, ana, MANY)
    calls = queries(browser, catalogue, "/uploads")
    assert browser.get("/uploads").text.count('id="upload-') == MANY
    assert calls.total() <= 10, calls


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/uploads",
        "/uploads/rows",
        "/library",
        "/newest",
        "/most-played",
        "/search?q=song",
        "/search/suggest?q=song",
        "/api/v1/songs",
        "/api/v1/songs?q=song",
    ],
)
def test_lists_of_many_make_as_many_queries_as_lists_of_few(
    browser: Browser, services: Services, ana: Person, catalogue: CountingCatalogue, path: str
) -> None:
    def keep_and_play(uploads: list[Upload]) -> None:
        for upload in uploads:
            services.songs.add_to_library(ana.id, upload.song_id or "")
            services.songs.count_play(upload.song_id or "")

    keep_and_play(uploads_of(services, ana, 3))
    few = queries(browser, catalogue, path)
    keep_and_play([_upload(services, ana, number) for number in range(3, 30)])
    many = queries(browser, catalogue, path)
    assert few == many
    assert many.total() <= 10, many


def test_a_song_page_makes_as_many_queries_for_many_related_songs_as_for_one(
    browser: Browser, services: Services, ana: Person, catalogue: CountingCatalogue
) -> None:
    song = a_ready_song(services, ana)
    others = [a_ready_song(services, ana, f"Version {number}") for number in range(10)]

    def relate(count: int) -> Song:
        relations = tuple(Relation(song_id=other.id, type=RelationType.VERSION) for other in others[:count])
        current = services.catalogue.songs.get(song.id)
        assert current
        return services.catalogue.songs.save(replace(current, relations=relations))

    for path in (f"/songs/{song.id}", f"/api/v1/songs/{song.id}"):
        relate(1)
        one = queries(browser, catalogue, path)
        relate(10)
        ten = queries(browser, catalogue, path)
        assert one == ten
        assert ten.total() <= 15, ten


class ScriptedListener(Listener):
    """Wakes up with the given changes, one after the other, and counts the queries before each wake-up."""

    def __init__(self, person: Person, song: Song, script: list[Changes], catalogue: CountingCatalogue) -> None:
        super().__init__(person.id, song.id)
        self._script, self._catalogue, self._last = iter(script), catalogue, catalogue.calls.total()
        self.queries: list[int] = []

    def wait(self) -> Changes | None:
        total = self._catalogue.calls.total()
        self.queries.append(total - self._last)
        self._last = total
        return next(self._script, None)


@pytest.mark.parametrize("count", [3, 20])
def test_a_live_page_makes_as_many_queries_for_many_uploads_as_for_few(
    app: Flask, browser: Browser, services: Services, ana: Person, catalogue: CountingCatalogue, count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    uploads = uploads_of(services, ana, count)
    song = services.catalogue.songs.get(uploads[0].song_id or "")
    assert song
    changed = Changes(uploads={upload.id for upload in uploads})
    script = [changed, Changes(queue=True), Changes(song=True), Changes()]
    broadcaster = app.extensions["live"]
    browser.get("/healthz")
    listener = ScriptedListener(ana, song, script, catalogue)
    monkeypatch.setattr(broadcaster, "join", lambda person_id, song_id: listener)
    text = browser.get(f"/live?song={song.id}").text
    assert text.count("event: upload") == count
    assert ": still here" in text
    assert len(listener.queries) == 5
    assert listener.queries[1:] == QUERIES_AFTER_WAKE_UPS


def test_the_first_rows_of_a_live_page_are_those_that_may_have_changed(services: Services, ana: Person) -> None:
    (upload,) = uploads_of(services, ana, 1)
    view = services.uploads.view(upload)
    assert view.status.is_final
    assert live._changed_since(view, services.clock() - live.RECENT)
    assert not live._changed_since(view, services.clock() + live.RECENT)
