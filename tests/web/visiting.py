"""What web tests share: a browser that remembers its cookies and token, and songs brought to every state."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from demixer.domain import (
    MatchMethod,
    Person,
    Separation,
    SeparationState,
    Song,
    SongState,
    Stem,
    Tags,
    Upload,
    song_id_of,
)
from demixer.ports import SongDocument
from demixer.services.storage import store_bytes
from demixer.wiring import Services

PASSWORD = "correct horse battery"
FOUR = ("vocals", "drums", "bass", "other")


class Answer(TestResponse):
    """An answer whose JSON is taken to be there: a test that finds none fails soon enough."""

    @property
    def json(self) -> Any:
        return self.get_json()


class Browser:
    """A test client that sends the CSRF token as the pages' JavaScript does."""

    def __init__(self, app: Flask, language: str = "en") -> None:
        self.client: FlaskClient = app.test_client()
        self._token = ""
        self.headers = {"Accept": "text/html", "Accept-Language": language}

    def get(self, path: str, **more: Any) -> Answer:
        return cast(Answer, self.client.get(path, headers={**self.headers, **more.pop("headers", {})}, **more))

    def post(self, path: str, data: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        headers = {**self.headers, "X-CSRFToken": self.token(), **more.pop("headers", {})}
        response = self.client.post(path, headers=headers, **multipart(data or {}), **more)
        if path.startswith("/sign-"):
            self._token = ""  # another session, another token
        return cast(Answer, response)

    def post_json(self, path: str, data: Mapping[str, Any] | None = None) -> Answer:
        return self.post(path, data, headers={"Accept": "application/json"})

    def token(self) -> str:
        if not self._token:
            found = re.search(r'name="csrf-token" content="([^"]+)"', self.get("/search").text)
            assert found
            self._token = found[1]
        return self._token

    def sign_up(self, email: str = "ana@example.com", **fields: str) -> Answer:
        return self.post("/sign-up", {"email": email, "name": "Ana", "password": PASSWORD, **fields})

    def sign_in(self, email: str = "ana@example.com", password: str = PASSWORD, **fields: str) -> Answer:
        return self.post("/sign-in", {"email": email, "password": password, **fields})

    def send(self, data: bytes, name: str = "song.mp3", **fields: str) -> Answer:
        return self.post_json("/uploads", {**fields, "file": (io.BytesIO(data), name)})


def multipart(data: Mapping[str, Any]) -> dict[str, Any]:
    """A form as arguments of the test client, which would leave a large one in a temporary file that nobody closes."""
    boundary, body = encode_multipart({name: _parts(value) for name, value in data.items()})
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def _parts(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    return [FileStorage(*each) if isinstance(each, tuple) else each for each in values]


def problem(response: TestResponse) -> Mapping[str, Any]:
    """The problem details of an answer, checked for their shape."""
    assert response.content_type == "application/problem+json"
    body: Mapping[str, Any] = json.loads(response.data)
    assert set(body) == {"type", "title", "status", "detail", "code"}
    assert body["status"] == response.status_code
    assert body["type"].endswith(body["code"])
    assert body["title"]
    assert body["detail"]
    assert "%(" not in body["detail"]
    return body


def a_song(services: Services, person: Person, title: str = "Amanecer", *, artist: str = "Ana y Los Otros") -> Song:
    """A song that was asked for and waits for its stems."""
    song_id, now = song_id_of(title), services.clock()
    asked = services.separations.request(song_id, "spleeter-2stems")
    return services.catalogue.songs.save(
        Song(
            id=song_id,
            owner_id=person.id,
            tags=Tags(artist=artist, title=title, album="Uno", year=2001),
            duration=231.4,
            sha256=title,
            fingerprint=b"",
            audio_key=f"uploads/{song_id}",
            cover_key="",
            created_at=now,
            updated_at=now,
            separation_id=asked.id,
        )
    )


def make_ready(
    services: Services, song: Song, files: Mapping[str, bytes] | None = None, stems: Sequence[str] = FOUR
) -> Separation:
    """Ends the song's separation, with `files` (names such as `vocals.mp3`) as what it made, and makes it findable."""
    store, separation = services.catalogue.separations, services.catalogue.separations.get(song.separation_id or "")
    assert separation
    for name, data in (files or {}).items():
        store_bytes(services.files, f"{separation.folder}/{name}", data)
    made = tuple(Stem(name=name, peak=0.5) for name in stems)
    ready = store.save(replace(separation, state=SeparationState.READY, stems=made, device="CPU", gain=0.9))
    listed = services.catalogue.songs.save(replace(song, state=SongState.ACTIVE))
    services.search.put([SongDocument.of(listed)])
    return ready


def a_ready_song(services: Services, person: Person, title: str = "Amanecer", **files: bytes) -> Song:
    """`files` are named `vocals_mp3=...`."""
    song = a_song(services, person, title)
    make_ready(services, song, {name.replace("_", "."): data for name, data in files.items()})
    found = services.catalogue.songs.get(song.id)
    assert found
    return found


def join(services: Services, upload_id: str, song: Song, match: MatchMethod | None = None) -> Upload:
    """The upload has found its song."""
    upload = services.catalogue.uploads.get(upload_id)
    assert upload
    return services.catalogue.uploads.save(upload.joined(song.id, match, services.clock()))


def stored_keys(services: Services) -> set[str]:
    """Everything in the file store that an upload put there."""
    return {key for key, _ in services.files.keys("uploads")}
