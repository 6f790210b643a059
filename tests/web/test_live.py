import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from flask import Flask

from demixer.domain import Person, Song, events
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Record, Subscription
from demixer.services.publishing import publish
from demixer.wiring import Services
from tests.web.visiting import Browser, a_song, join, make_ready, problem
from web.app import close, max_live_pages
from web.live import broadcaster

SOON = 20.0  # seconds: longer than the longest silence, so that what does not come is seen to be missing


class Stream:
    """A live page, read in a thread of its own: `next()` is the next event, "silence" a comment, "end" the end."""

    def __init__(self, browser: Browser, path: str) -> None:
        self._events: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(browser, path), daemon=True)
        self._thread.start()
        assert self._open.wait(SOON)

    def next(self) -> tuple[str, dict[str, Any]]:
        return self._events.get(timeout=SOON)

    def until(self, **wanted: object) -> dict[str, Any]:
        """The first event that has these data. Fails at a silence: whatever was to come has come by then."""
        while True:
            name, data = self.next()
            assert name not in ("silence", "end"), f"{wanted} did not come"
            if all(data.get(key) == value for key, value in wanted.items()):
                return data

    def close(self) -> None:
        """The server has ended the stream: wait until the thread has seen it."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()

    def _read(self, browser: Browser, path: str) -> None:
        with browser.client.get(path, headers=browser.headers, buffered=False) as response:
            self._open.set()
            for block in response.response:
                self._put(block if isinstance(block, str) else block.decode())
        self._events.put(("end", {}))

    def _put(self, text: str) -> None:
        lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
        if "event" in lines:
            self._events.put((lines["event"], json.loads(lines["data"])))
        elif "" in lines:
            self._events.put(("silence", {}))


@pytest.fixture(autouse=True)
def briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(broadcaster, "GAP_SECONDS", 0.01)


@contextmanager
def listening(app: Flask, browser: Browser, path: str = "/live") -> Iterator[Stream]:
    stream = Stream(browser, path)
    try:
        yield stream
    finally:
        close(app)
        stream.close()


def test_each_step_of_an_upload_is_shown(app: Flask, browser: Browser, ana: Person, services: Services) -> None:
    upload_id = browser.send(b"sound", "toma.mp3").json["id"]
    with listening(app, browser) as stream:
        first = stream.until(id=upload_id, status="received")
        assert "toma.mp3" in first["html"]
        song = a_song(services, ana)
        join(services, upload_id, song)
        services.flush()
        stream.until(status="queued")
        separation = _begin(services, song)
        services.separations.report_progress(separation, 1, progress=0.25, seconds_left=30, device="CPU")
        stream.until(status="separating")
        found = services.catalogue.songs.get(song.id)
        assert found
        make_ready(services, found)
        services.separations.begin(separation, 1, "CPU")  # a repeat of the event shows what is ready
        services.flush()
        _publish_separated(services, song)
        stream.until(status="ready")


def test_what_is_cancelled_or_deleted_elsewhere_is_shown(
    app: Flask, browser: Browser, ana: Person, services: Services
) -> None:
    upload_id = browser.send(b"sound").json["id"]
    with listening(app, browser) as stream:
        stream.until(status="received")
        browser.post_json(f"/uploads/{upload_id}/cancel")
        stream.until(id=upload_id, status="cancelled")
        browser.post_json(f"/uploads/{upload_id}/delete")
        assert stream.until(id=upload_id, status="deleted")["html"] == ""


def test_an_upload_from_another_page_appears(app: Flask, browser: Browser, ana: Person) -> None:
    with listening(app, browser) as stream:
        upload_id = browser.send(b"sound").json["id"]
        stream.until(id=upload_id, status="received")


def test_uploads_that_wait_are_sent_again_when_the_queue_moves(
    app: Flask, browser: Browser, ana: Person, services: Services
) -> None:
    first, second = a_song(services, ana, "First"), a_song(services, ana, "Second")
    upload_id = browser.send(b"sound").json["id"]
    join(services, upload_id, second)
    services.flush()
    with listening(app, browser) as stream:
        assert stream.until(status="queued")
        make_ready(services, first)
        _publish_separated(services, first)
        assert stream.until(id=upload_id, status="queued")


def test_nobody_is_sent_the_uploads_of_others(
    app: Flask, browser: Browser, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster, "REFRESH_SECONDS", 1.0)
    other = Browser(app)
    other.sign_up("bea@example.com")
    with listening(app, browser) as stream:
        other.send(b"sound")
        assert stream.next() == ("silence", {})


def test_a_song_page_is_sent_when_its_stems_are_ready(
    app: Flask, browser: Browser, ana: Person, services: Services
) -> None:
    song = a_song(services, ana)
    services.flush()
    stranger = Browser(app)
    with listening(app, stranger, f"/live?song={song.id}") as stream:
        assert stream.next() == (
            "song",
            {"id": song.id, "ready": False, "status": "requested", "progress": 0.0, "next": False},
        )
        make_ready(services, song)
        _publish_separated(services, song)
        assert stream.until(ready=True)["id"] == song.id


def test_a_stream_needs_an_account_or_a_song(browser: Browser) -> None:
    assert problem(browser.get("/live", headers={"Accept": "application/json"}))["code"] == "not-signed-in"
    assert browser.get("/live?song=nothing").status_code == 404


def test_where_no_more_live_pages_fit_a_page_is_sent_to_polling(app: Flask, browser: Browser, ana: Person) -> None:
    app.extensions["live"]._limit = 1
    with listening(app, browser):
        response = browser.get("/live", headers={"Accept": "application/json"})
        assert problem(response)["status"] == 503
        assert response.headers["Retry-After"]
    with_room = app.extensions["live"]
    assert with_room._listeners == set()


def test_streams_end_when_the_server_stops(app: Flask, browser: Browser, ana: Person) -> None:
    with listening(app, browser) as stream:
        app.extensions["live"].stop()
        assert stream.next() == ("end", {})
        assert browser.get("/live").status_code == 503


def test_the_broadcaster_survives_an_engine_that_fails(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster, "RECOVER_SECONDS", 0.01)
    log = _FailsOnce(services)
    following = broadcaster.Broadcaster(cast(EventLog, log), services.catalogue.uploads, limit=2)
    try:
        listener = following.join("nobody", "a-song")
        changes = listener.wait()
        assert changes is not None
        assert changes.song, "it looks again, since nobody knows what was missed"
        assert log.failed
    finally:
        following.close()


def test_a_message_that_is_no_event_is_passed_over(
    app: Flask, browser: Browser, ana: Person, services: Services
) -> None:
    with listening(app, browser) as stream:
        services.events.publish([Record(topic="songs", key="x", value=b"nonsense")])
        upload_id = browser.send(b"sound").json["id"]
        stream.until(id=upload_id)


def test_live_pages_never_take_all_threads() -> None:
    assert max_live_pages(256) == 240
    assert max_live_pages(16) == 8
    assert max_live_pages(4) == 2


class _FailsOnce:
    def __init__(self, services: Services) -> None:
        self._services = services
        self.failed = False

    def browse(self, topics: list[str], *, from_start: bool) -> Subscription:
        if not self.failed:
            self.failed = True
            raise Transient
        return self._services.events.browse(topics, from_start=from_start)


def _begin(services: Services, song: Song) -> str:
    begun = services.separations.begin(song.separation_id or "", 1, "CPU")
    assert begun
    return begun[0].id


def _publish_separated(services: Services, song: Song) -> None:
    """The event that the `separate` consumer publishes at the end."""
    shown, separation = (
        services.catalogue.songs.get(song.id),
        services.catalogue.separations.get(song.separation_id or ""),
    )
    assert shown
    assert separation
    publish(services.events, [events.song_separated(shown, separation)])
