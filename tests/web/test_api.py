import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from flask import Flask

from demixer.domain import MatchMethod, Person, UploadState
from demixer.wiring import Services
from tests.web.visiting import Answer, Browser, a_ready_song, a_song, join, multipart, problem, stored_keys

UPLOAD_FIELDS = {
    "id", "status", "progress", "song_id", "matched", "error", "place", "filename", "size", "created_at", "model",
    "device", "seconds_left", "links",
}  # fmt: skip


class Api:
    def __init__(self, app: Flask, token: str | None) -> None:
        self._client = app.test_client()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **headers: str) -> Answer:
        return cast(Answer, self._client.get(f"/api/v1{path}", headers={**self._headers, **headers}))

    def delete(self, path: str) -> Answer:
        return cast(Answer, self._client.delete(f"/api/v1{path}", headers=self._headers))

    def post(self, path: str, data: Mapping[str, Any]) -> Answer:
        return cast(Answer, self._client.post(f"/api/v1{path}", headers=self._headers, **multipart(data)))

    def send(self, data: bytes = b"sound", name: str = "song.mp3", **fields: str) -> Answer:
        return self.post("/uploads", {**fields, "file": (io.BytesIO(data), name)})


@pytest.fixture
def api(app: Flask, services: Services, ana: Person) -> Api:
    return Api(app, services.accounts.create_token(ana.email, services.clock()))


@pytest.fixture
def stranger(app: Flask) -> Api:
    return Api(app, None)


def test_an_upload_is_accepted_and_can_be_followed(api: Api, services: Services) -> None:
    response = api.send(b"sound", "a/b.mp3", artist="Ana", title="Uno")
    assert response.status_code == 202
    body = response.json
    assert set(body) == UPLOAD_FIELDS
    assert (body["status"], body["progress"], body["filename"]) == ("received", 0.0, "b.mp3")
    assert response.location == body["links"]["self"] == f"http://localhost/api/v1/uploads/{body['id']}"
    assert api.get(f"/uploads/{body['id']}").json == body
    upload = services.catalogue.uploads.get(body["id"])
    assert upload
    assert (upload.given_tags.artist, upload.given_tags.title) == ("Ana", "Uno")


def test_a_file_of_just_the_allowed_size_is_received(api: Api) -> None:
    assert api.send(b"x" * 1024 * 1024).status_code == 202


def test_a_known_recording_is_ready_and_matched(api: Api, ana: Person, services: Services) -> None:
    upload_id, song = api.send().json["id"], a_ready_song(services, ana)
    join(services, upload_id, song, MatchMethod.RECORDING)
    body = api.get(f"/uploads/{upload_id}").json
    assert (body["status"], body["progress"], body["matched"], body["song_id"]) == ("ready", 1.0, True, song.id)
    assert body["links"]["song"] == f"http://localhost/api/v1/songs/{song.id}"
    assert body["links"]["waits_for"] is None


def test_one_that_waits_for_the_stems_of_another_song_says_of_which(api: Api, ana: Person, services: Services) -> None:
    song, sent = a_song(services, ana), services.catalogue.uploads.get(api.send().json["id"])
    assert sent
    services.catalogue.uploads.save(replace(sent, state=UploadState.FINGERPRINTED, waiting_for=song.id))
    body = api.get(f"/uploads/{sent.id}").json
    assert (body["status"], body["song_id"]) == ("fingerprinting", None)
    assert body["links"]["waits_for"] == f"http://localhost/api/v1/songs/{song.id}"


def test_a_new_one_has_a_place_in_the_queue(api: Api, ana: Person, services: Services) -> None:
    a_song(services, ana, "First")
    upload_id = api.send().json["id"]
    join(services, upload_id, a_song(services, ana, "Second"))
    body = api.get(f"/uploads/{upload_id}").json
    assert (body["status"], body["place"], body["model"]) == ("queued", 2, "spleeter-2stems")


def test_delete_cancels_once(api: Api) -> None:
    upload_id = api.send().json["id"]
    response = api.delete(f"/uploads/{upload_id}")
    assert (response.status_code, response.json["status"]) == (200, "cancelled")
    again = problem(api.delete(f"/uploads/{upload_id}"))
    assert (again["status"], again["code"]) == (409, "cannot-cancel")


@pytest.mark.parametrize("method", ["get", "delete"])
def test_what_others_sent_does_not_exist(app: Flask, api: Api, services: Services, method: str) -> None:
    upload_id = api.send().json["id"]
    services.accounts.create("bea@example.com", "correct horse battery", "Bea", services.clock())
    other = Api(app, services.accounts.create_token("bea@example.com", services.clock()))
    assert problem(getattr(other, method)(f"/uploads/{upload_id}"))["code"] == "no-such-upload"


def test_uploads_need_a_token(stranger: Api, services: Services) -> None:
    for response in (stranger.send(), stranger.get("/uploads/x"), stranger.delete("/uploads/x")):
        assert problem(response)["code"] == "not-signed-in"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="demixer"'
    assert stored_keys(services) == set()


@pytest.mark.parametrize("token", ["dmx_unknown", "", "é"])
def test_a_token_nobody_made_is_refused(app: Flask, services: Services, token: str) -> None:
    response = app.test_client().get("/api/v1/uploads/x", headers={"Authorization": f"Bearer {token}"})
    assert problem(response)["status"] == 401


def test_a_cookie_signs_nobody_in_here(browser: Browser, ana: Person) -> None:
    assert problem(browser.post_json("/api/v1/uploads", {"file": (io.BytesIO(b"x"), "a.mp3")}))["status"] == 401


@pytest.mark.parametrize(
    ("fields", "code", "status"),
    [
        ({}, "no-file", 422),
        ({"file": "just text"}, "no-file", 422),
        ({"file": (b"", "empty.mp3")}, "empty-file", 422),
        ({"file": (b"x" * (2 * 1024 * 1024 + 1), "big.wav")}, "too-large", 413),
        ({"file": (b"x" * (1024 * 1024 + 1), "big.wav")}, "too-large", 413),
        ({"file": (b"sound", "a.mp3"), "title": "x" * 301}, "text-long", 422),
    ],
)
def test_what_cannot_be_taken_is_a_problem_and_leaves_nothing(
    api: Api, services: Services, fields: dict[str, Any], code: str, status: int
) -> None:
    data = {
        name: (io.BytesIO(value[0]), value[1]) if isinstance(value, tuple) else value for name, value in fields.items()
    }
    body = problem(api.post("/uploads", data))
    assert (body["code"], body["status"]) == (code, status)
    assert stored_keys(services) == set()


def test_a_request_brings_one_file_or_keeps_none(api: Api, services: Services) -> None:
    files = [(io.BytesIO(b"one"), "one.mp3"), (io.BytesIO(b"two"), "two.mp3")]
    assert problem(api.post("/uploads", {"file": files}))["code"] == "one-file"
    assert stored_keys(services) == set()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "/nothing", 404, "not-found"),
        ("get", "/songs/nothing", 404, "no-such-song"),
        ("get", "/uploads/nothing", 404, "no-such-upload"),
        ("delete", "/uploads/nothing", 404, "no-such-upload"),
        ("delete", "/songs/x", 405, "method-not-allowed"),
        ("get", "/uploads", 405, "method-not-allowed"),
    ],
)
def test_every_error_is_a_problem(api: Api, method: str, path: str, status: int, code: str) -> None:
    response = getattr(api, method)(path)
    body = problem(response)
    assert (body["status"], body["code"]) == (status, code)
    assert status != 405 or response.headers["Allow"]


def test_a_bug_is_a_problem_without_its_trace(app: Flask, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **named: object) -> None:
        raise RuntimeError("secret details")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr("demixer.services.songs.SongCatalogue.view", broken)
    response = api.get("/songs/x")
    assert problem(response)["code"] == "internal"
    assert "secret" not in response.text


def test_problems_are_in_the_readers_language_or_english(api: Api) -> None:
    assert "no such song" in problem(api.get("/songs/nothing", **{"Accept-Language": "tlh"}))["detail"]
    spanish = problem(api.get("/songs/nothing", **{"Accept-Language": "es-MX,en;q=0.5"}))["detail"]
    assert "no such song" not in spanish


def test_songs_are_everybodys(stranger: Api, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana, "Canción")
    body = stranger.get(f"/songs/{song.id}").json
    assert (body["title"], body["year"], body["duration"], body["ready"]) == ("Canción", 2001, 231.4, True)
    assert [stem["name"] for stem in body["stems"]] == ["vocals", "drums", "bass", "other"]
    assert body["stems"][0]["urls"]["mp3"] == f"http://localhost/songs/{song.id}/stems/vocals.mp3"


def test_a_song_without_stems_says_so(stranger: Api, ana: Person, services: Services) -> None:
    body = stranger.get(f"/songs/{a_song(services, ana).id}").json
    assert (body["ready"], body["stems"], body["zip"]) == (False, [], None)


def test_songs_are_found_and_leafed_through(stranger: Api, ana: Person, services: Services) -> None:
    for number in range(25):
        a_ready_song(services, ana, f"Canción {number}")
    found = stranger.get("/songs?q=cancion").json
    assert (len(found["songs"]), found["total"], found["at_least"]) == (24, 25, False)
    newest = stranger.get("/songs").json
    assert (len(newest["songs"]), newest["total"]) == (24, None)
    rest = stranger.get(newest["links"]["next"].removeprefix("http://localhost/api/v1")).json
    assert (len(rest["songs"]), rest["links"]["next"]) == (1, None)
    assert set(newest["songs"][0]) == set(found["songs"][0])
