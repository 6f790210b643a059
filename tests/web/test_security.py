from pathlib import Path

import pytest
from flask import Flask, url_for

from demixer.domain import Person
from demixer.wiring import Services
from tests.web.visiting import Browser, a_ready_song, problem
from tests.wired import services_in
from web.app import create_app
from web.http.assets import static_url


def test_every_answer_says_what_browsers_may_do(browser: Browser) -> None:
    for path in ("/", "/nothing-here", "/songs/nothing/stems/vocals.mp3", "/healthz"):
        headers = browser.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_pages_are_not_kept_for_others(browser: Browser) -> None:
    headers = browser.get("/").headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "Accept-Language"} <= {name.strip() for name in headers["Vary"].split(",")}


def test_behind_https_cookies_are_secure_and_one_proxy_is_believed(tmp_path: Path) -> None:
    with services_in(tmp_path, https=True) as services:
        app = create_app(services)
        response = Browser(app).get("/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demixer.example"})
        assert "Secure" in response.headers["Set-Cookie"]
        assert response.headers["Strict-Transport-Security"]
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "demixer.example"}
        body = Browser(app).get("/api/v1/songs", headers=forwarded).json
        assert body["links"]["self"].startswith("https://demixer.example/")


def test_without_https_no_proxy_is_believed(browser: Browser) -> None:
    body = browser.get("/api/v1/songs", headers={"X-Forwarded-Host": "evil.example"}).json
    assert "evil" not in body["links"]["self"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/nothing", 404),
        ("delete", "/search", 405),
        ("get", "/songs/x/plays", 405),
        ("get", "/songs/%00/edit", 303),
    ],
)
def test_errors_are_pages_for_people(browser: Browser, method: str, path: str, status: int) -> None:
    response = getattr(browser.client, method)(path, headers=browser.headers)
    assert response.status_code == status
    assert response.mimetype == "text/html"


def test_errors_are_problems_for_programs(browser: Browser) -> None:
    assert problem(browser.get("/nothing", headers={"Accept": "application/json"}))["code"] == "not-found"


def test_a_bug_is_a_page_without_its_trace(app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **named: object) -> None:
        raise RuntimeError("secret details")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr("demixer.services.songs.SongCatalogue.view", broken)
    response = browser.get("/songs/x")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Something went wrong" in response.text


def test_what_people_type_is_shown_as_text(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana, "<script>alert(1)</script>")
    for path in ("/", f"/songs/{song.id}", f"/songs/{song.id}/edit", "/search?q=<script>alert(1)</script>", "/newest"):
        assert "<script>alert(1)" not in browser.get(path).text


def test_static_files_are_kept_for_ever_under_their_present_address(app: Flask, browser: Browser) -> None:
    with app.test_request_context():
        present = static_url("icon.svg")
        former = url_for("assets.static", version="000000", name="icon.svg")
    for address, kept in ((present, "immutable"), (former, "no-cache")):
        with browser.get(address) as response:
            assert kept in response.headers["Cache-Control"]
    assert browser.get(present.replace("icon.svg", "../app.py")).status_code == 404


def test_it_says_that_it_is_well(browser: Browser) -> None:
    response = browser.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok")
