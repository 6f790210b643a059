import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from demixer.domain import Failure, MatchMethod, Person, Status, UploadState
from demixer.domain.errors import StorageFull
from demixer.services import uploads
from demixer.wiring import Services
from tests.web.visiting import Browser, a_ready_song, a_song, join, problem, stored_keys
from tests.wired import published

MEGABYTE = 1024 * 1024


def test_a_file_is_received_and_an_event_says_so(browser: Browser, ana: Person, services: Services) -> None:
    response = browser.send(b"some sound", "Canción.mp3", title="Otra")
    assert response.status_code == 201
    upload = services.catalogue.uploads.get(response.json["id"])
    assert upload
    assert (upload.filename, upload.size, upload.given_tags.title) == ("Canción.mp3", 10, "Otra")
    assert b"".join(services.files.read(upload.audio_key)) == b"some sound"
    assert [event.type for event in published(services, "uploads")] == ["upload.received"]
    assert "Canción.mp3" in response.json["html"]


def test_a_plain_form_may_bring_several_files(browser: Browser, ana: Person, services: Services) -> None:
    files = [(io.BytesIO(b"one"), "one.mp3"), (io.BytesIO(b"two"), "two.mp3"), (io.BytesIO(b""), "")]
    response = browser.post("/uploads", {"file": files})
    assert (response.status_code, response.location) == (303, "/uploads")
    assert {upload.filename for upload in services.catalogue.uploads.of_person(ana.id, limit=9)} == {
        "one.mp3",
        "two.mp3",
    }
    assert "one.mp3" in browser.get("/uploads").text


def test_of_several_files_the_good_ones_are_kept_and_the_others_are_named(
    browser: Browser, ana: Person, services: Services
) -> None:
    files = [(io.BytesIO(b"one"), "one.mp3"), (io.BytesIO(b""), "empty.mp3"), (io.BytesIO(b"two"), "two.mp3")]
    response = browser.post("/uploads", {"file": files})
    assert response.status_code == 303
    assert {upload.filename for upload in services.catalogue.uploads.of_person(ana.id, limit=9)} == {
        "one.mp3",
        "two.mp3",
    }
    assert "empty.mp3: The file is empty" in browser.get("/uploads").text
    assert len(stored_keys(services)) == 2


def test_too_many_files_at_once_are_refused_and_none_is_kept(browser: Browser, ana: Person, services: Services) -> None:
    files = [(io.BytesIO(b"x"), f"{number}.mp3") for number in range(21)]
    response = browser.post_json("/uploads", {"file": files})
    assert problem(response)["code"] == "too-many-files"
    assert stored_keys(services) == set()


def test_the_token_of_a_plain_form_may_stand_in_the_body(browser: Browser, ana: Person, services: Services) -> None:
    fields = {"csrf_token": browser.token(), "file": (io.BytesIO(b"one"), "one.mp3")}
    assert browser.client.post("/uploads", data=fields).status_code == 303
    assert len(stored_keys(services)) == 1


def test_the_same_request_twice_is_two_uploads_of_the_same_bytes(
    browser: Browser, ana: Person, services: Services
) -> None:
    first, second = (browser.send(b"the same") for _ in range(2))
    found = [services.catalogue.uploads.get(response.json["id"]) for response in (first, second)]
    assert found[0]
    assert found[1]
    assert found[0].id != found[1].id
    assert found[0].sha256 == found[1].sha256


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.mp3", "passwd.mp3"),
        ("C:\\\\Users\\\\ana\\\\Música\\\\toma 1.wav", "toma 1.wav"),
        ("a/b/c/", "c"),
        ("tab\tand\x7fbell\x07.mp3", "tabandbell.mp3"),
        ("שיר חדש 🎵.flac", "שיר חדש 🎵.flac"),
        ("nice\u202e3pm.exe", "nice3pm.exe"),
        ("<script>alert(1)</script>.mp3", "script>.mp3"),
        ("é" * 300, "é" * 255),
        ("////", "Untitled"),
        ("=cmd|'/c calc'!A1.mp3", "c calc'!A1.mp3"),
    ],
)
def test_file_names_are_made_fit_to_show(
    browser: Browser, ana: Person, services: Services, sent: str, kept: str
) -> None:
    response = browser.send(b"sound", sent)
    assert response.status_code == 201
    upload = services.catalogue.uploads.get(response.json["id"])
    assert upload
    assert upload.filename == kept
    assert "<script>" not in browser.get("/uploads").text.replace('<script type="', "")


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([], "no-file"),
        ([(b"", "")], "no-file"),
        ([(b"", "empty.mp3")], "empty-file"),
    ],
)
def test_nothing_to_receive_is_said_and_leaves_nothing(
    browser: Browser, ana: Person, services: Services, files: list[tuple[bytes, str]], code: str
) -> None:
    parts = {"file": [(io.BytesIO(data), name) for data, name in files], "title": "x"}
    assert problem(browser.post_json("/uploads", parts))["code"] == code
    assert stored_keys(services) == set()


def test_too_large_a_file_is_refused_by_its_announced_length(browser: Browser, ana: Person, services: Services) -> None:
    response = browser.send(b"x" * (2 * MEGABYTE + 1))
    body = problem(response)
    assert (body["status"], body["code"]) == (413, "too-large")
    assert "1 MB" in body["detail"]
    assert stored_keys(services) == set()


def test_too_large_a_file_is_refused_while_it_arrives(browser: Browser, ana: Person, services: Services) -> None:
    """In a plain form several files may come, so only counting shows that one is too large."""
    response = browser.post("/uploads", {"file": [(io.BytesIO(b"x" * (MEGABYTE + 1)), "big.wav")]})
    assert response.status_code == 413
    assert "larger than 1 MB" in response.text
    assert stored_keys(services) == set()


def test_a_file_of_just_the_allowed_size_is_received(browser: Browser, ana: Person) -> None:
    assert browser.send(b"x" * MEGABYTE).status_code == 201


def test_a_body_without_a_length_is_counted(browser: Browser, ana: Person, services: Services) -> None:
    counted = _Endless(_multipart_head())
    response = browser.client.post(
        "/uploads",
        headers={"X-CSRFToken": browser.token(), "Accept": "application/json"},
        content_type="multipart/form-data; boundary=frontier",
        environ_overrides={"wsgi.input": counted, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert problem(response)["code"] == "too-large"
    assert stored_keys(services) == set()
    assert services.catalogue.uploads.of_person(ana.id, limit=1) == []


BROKEN = {
    "it breaks off": lambda head: head + b"half a so",
    "a line break in the file's name, which makes it a huge field": lambda head: (
        head.replace(b'"a.wav"', b'"a\r\nb.wav"') + b"x" * (MEGABYTE * 3 // 4) + b"\r\n--frontier--\r\n"
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_body_leaves_nothing(how: str, browser: Browser, ana: Person, services: Services) -> None:
    response = browser.client.post(
        "/uploads",
        data=BROKEN[how](_multipart_head()),
        headers={"X-CSRFToken": browser.token(), "Accept": "application/json"},
        content_type="multipart/form-data; boundary=frontier",
    )
    assert problem(response)["code"] == "bad-request"
    assert stored_keys(services) == set()
    assert services.catalogue.uploads.of_person(ana.id, limit=1) == []


def test_strangers_are_refused_before_their_body_is_read(browser: Browser, services: Services) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("somebody read the body")

    response = browser.client.post(
        "/uploads",
        headers={"X-CSRFToken": browser.token(), "Accept": "application/json"},
        content_type="multipart/form-data; boundary=frontier",
        environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": "1000000"},
    )
    assert problem(response)["code"] == "not-signed-in"


def test_nobody_may_send_much_to_other_addresses(browser: Browser, ana: Person) -> None:
    response = browser.post("/sign-out", {"a": "x" * (MEGABYTE + 1)})
    assert response.status_code == 413


def test_a_form_without_its_token_leaves_nothing(browser: Browser, ana: Person, services: Services) -> None:
    response = browser.client.post("/uploads", data={"file": (io.BytesIO(b"sound"), "a.mp3")})
    assert response.status_code == 400
    assert stored_keys(services) == set()


def test_an_error_page_leads_back_to_the_form(browser: Browser, ana: Person) -> None:
    def answer(referrer: str) -> str:
        return browser.post("/uploads", {"title": "x"}, headers={"Referer": referrer}).text

    assert 'href="/uploads?page=2">Back to where I was' in answer("http://localhost/uploads?page=2")
    for elsewhere in ("", "http://localhost/", "https://evil.example/uploads"):
        assert "Back to where I was" not in answer(elsewhere)
    here = browser.get("/nowhere?a=b", headers={"Referer": "http://localhost/nowhere?a=b"})
    assert "Back to where I was" not in here.text


def test_tags_that_are_too_long_leave_nothing(browser: Browser, ana: Person, services: Services) -> None:
    assert problem(browser.send(b"sound", title="x" * 301))["code"] == "text-long"
    assert stored_keys(services) == set()


def test_a_full_disk_is_said_and_leaves_nothing(
    browser: Browser, ana: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(incoming: uploads.IncomingFile, data: bytes) -> int:
        raise StorageFull

    token = browser.token()
    monkeypatch.setattr(uploads.IncomingFile, "write", full)
    response = browser.post_json("/uploads", {"file": (io.BytesIO(b"x" * 1000), "a.mp3"), "csrf_token": token})
    assert problem(response)["code"] == "storage-full"
    assert response.headers["Retry-After"]
    assert stored_keys(services) == set()


def test_the_rows_say_how_an_upload_is_getting_on(browser: Browser, ana: Person, services: Services) -> None:
    upload_id = browser.send(b"sound", "toma.mp3").json["id"]
    assert "Received" in browser.get(f"/uploads/{upload_id}/row").text
    join(services, upload_id, a_song(services, ana))
    assert "Waiting" in browser.get("/uploads/rows").text
    other = browser.send(b"other").json["id"]
    join(services, other, a_ready_song(services, ana, "Otra"), MatchMethod.FILE)
    assert "Ready" in browser.get(f"/uploads/{other}/row").text


def test_a_failure_is_shown_as_a_sentence(browser: Browser, ana: Person, services: Services) -> None:
    upload_id = browser.send(b"sound").json["id"]
    _fail(services, upload_id, "too-long", max_minutes=20)
    assert "longer than this server takes (20 min)" in browser.get(f"/uploads/{upload_id}/row").text


def test_cancelling_stops_what_is_on_its_way(browser: Browser, ana: Person, services: Services) -> None:
    upload_id = browser.send(b"sound").json["id"]
    response = browser.post_json(f"/uploads/{upload_id}/cancel")
    assert response.status_code == 200
    assert "Cancelled" in response.json["html"]
    assert problem(browser.post_json(f"/uploads/{upload_id}/cancel"))["code"] == "cannot-cancel"
    assert "upload.withdrawn" in [event.type for event in published(services, "matching")]


def test_a_cancelled_upload_leads_nowhere(browser: Browser, ana: Person, services: Services) -> None:
    upload_id, song = browser.send(b"sound").json["id"], a_song(services, ana)
    join(services, upload_id, song)
    assert f"/songs/{song.id}" in browser.get(f"/uploads/{upload_id}/row").text
    row = browser.post_json(f"/uploads/{upload_id}/cancel").json["html"]
    assert "Cancelled" in row
    assert f"/songs/{song.id}" not in row


def test_trying_again_starts_over(browser: Browser, ana: Person, services: Services) -> None:
    upload_id = browser.send(b"sound").json["id"]
    assert problem(browser.post_json(f"/uploads/{upload_id}/retry"))["code"] == "cannot-retry"
    _fail(services, upload_id, "took-too-long")
    assert browser.post(f"/uploads/{upload_id}/retry").status_code == 303
    found = services.catalogue.uploads.get(upload_id)
    assert found
    assert services.uploads.view(found).status is Status.RECEIVED


def test_a_deleted_upload_is_gone_from_every_list(browser: Browser, ana: Person) -> None:
    upload_id = browser.send(b"sound", "weg.mp3").json["id"]
    response = browser.post(f"/uploads/{upload_id}/delete", headers={"Referer": "http://localhost/uploads?page=2"})
    assert (response.status_code, response.location) == (303, "/uploads?page=2")
    assert "weg.mp3" not in browser.get("/uploads").text
    assert browser.get(f"/uploads/{upload_id}/row").status_code == 404


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_what_others_sent_does_not_exist_for_one(app: Flask, browser: Browser, ana: Person, action: str) -> None:
    upload_id = browser.send(b"sound").json["id"]
    other = Browser(app)
    other.sign_up("bea@example.com")
    assert problem(other.post_json(f"/uploads/{upload_id}/{action}"))["code"] == "no-such-upload"
    assert other.get(f"/uploads/{upload_id}/row").status_code == 404


def _fail(services: Services, upload_id: str, code: str, **params: object) -> None:
    upload = services.catalogue.uploads.get(upload_id)
    assert upload
    services.catalogue.uploads.save(replace(upload, state=UploadState.FAILED, failure=Failure(code, params)))


def _multipart_head() -> bytes:
    return (
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n"
    )


class _Endless:
    """A body that goes on and on, though for the test's sake it ends after 100 MB."""

    def __init__(self, head: bytes) -> None:
        self._blocks = self._sent(head)

    def read(self, size: int = -1) -> bytes:
        return next(self._blocks)

    def _sent(self, head: bytes) -> Iterator[bytes]:
        yield head
        for _ in range(100 * 16):
            yield b"x" * (MEGABYTE // 16)
        yield b""


def test_an_upload_that_waits_for_the_stems_of_another_song_says_why(
    browser: Browser, ana: Person, services: Services
) -> None:
    song = a_song(services, ana)
    upload = services.catalogue.uploads.get(browser.send(b"bytes").json["id"])
    assert upload
    assert "is being separated right now" not in browser.get("/uploads").text
    services.catalogue.uploads.save(replace(upload, state=UploadState.FINGERPRINTED, waiting_for=song.id))
    assert "is being separated right now" in browser.get("/uploads").text
