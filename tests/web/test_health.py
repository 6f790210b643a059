"""What machines ask of the web server, and what is logged and counted of every request."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from flask import Flask

from demixer.domain import Person
from demixer.domain.errors import Transient
from demixer.ports import Accounts, SearchIndex
from demixer.wiring import Services, build_services
from tests.web.visiting import Answer, Browser, a_song
from tests.wired import services_in
from web.app import close, create_app


class Down:
    """An engine that is not there."""

    def __getattr__(self, name: str) -> Any:
        def ask(*args: object, **named: object) -> object:
            raise Transient(reason="connection refused")

        return ask


def browser_of(services: Services) -> Iterator[Browser]:
    app = create_app(services)
    yield Browser(app)
    close(app)


@pytest.fixture
def without_accounts(services: Services) -> Iterator[Browser]:
    yield from browser_of(build_services(replace(services.adapters, accounts=cast(Accounts, Down()))))


@pytest.fixture
def without_search(services: Services) -> Iterator[Browser]:
    yield from browser_of(build_services(replace(services.adapters, search=cast(SearchIndex, Down()))))


@pytest.fixture
def behind_a_proxy(tmp_path: Any) -> Iterator[Browser]:
    with services_in(tmp_path / "https", https=True) as services:
        yield from browser_of(services)


@pytest.fixture
def with_a_port(tmp_path: Any) -> Iterator[Browser]:
    with services_in(tmp_path / "port", https=True, metrics_port=9100) as services:
        yield from browser_of(services)


def series(browser: Browser) -> dict[str, float]:
    text = browser.get("/metrics").text
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def test_it_is_alive_whatever_the_engines_do(without_accounts: Browser) -> None:
    assert without_accounts.get("/healthz").text == "ok"


def test_it_is_ready_when_the_engines_answer(browser: Browser) -> None:
    answer = browser.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["ready"] is True
    assert set(answer.json["engines"].values()) == {"ok"}


def test_it_is_not_ready_without_an_engine_that_is_needed_and_names_it(without_accounts: Browser) -> None:
    answer = without_accounts.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["engines"]["accounts"] == "down"
    assert "refused" not in answer.text


def test_it_is_ready_without_search_which_has_a_fall_back(without_search: Browser) -> None:
    answer = without_search.get("/readyz")
    assert answer.status_code == 200
    assert answer.json["warnings"] == ["search"]


def from_outside(browser: Browser, path: str, address: str = "127.0.0.1", **headers: str) -> Answer:
    return browser.get(path, environ_base={"REMOTE_ADDR": address}, headers=headers)


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_metrics_are_not_shown_to_strangers(browser: Browser, path: str) -> None:
    for address in ("8.8.8.8", "2001:4860:4860::8888", "172.18.0.1", "::ffff:10.0.0.1", "", "nonsense"):
        assert from_outside(browser, path, address).status_code == 404, address
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert from_outside(browser, path, **{header: "127.0.0.1"}).status_code == 404, header


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_metrics_are_shown_to_this_machine(browser: Browser, path: str) -> None:
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert from_outside(browser, path, address).status_code == 200, address


def test_other_machines_read_metrics_at_a_port_of_their_own_and_nothing_else_there(with_a_port: Browser) -> None:
    def ask(path: str, port: int, **headers: str) -> int:
        where = {"REMOTE_ADDR": "10.0.0.7", "SERVER_PORT": str(port)}
        return with_a_port.get(path, environ_overrides=where, headers=headers).status_code

    for path in ("/metrics", "/readyz", "/healthz"):
        assert ask(path, 9100) == 200, path
    assert ask("/search", 9100) == 404
    assert ask("/metrics", 8000) == 404
    assert ask("/metrics", 8000, **{"X-Forwarded-Host": "here:9100"}) == 404
    assert ask("/search", 8000, **{"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Host": "here:9100"}) == 200


def test_a_trusted_proxy_does_not_pass_metrics_on(behind_a_proxy: Browser) -> None:
    assert from_outside(behind_a_proxy, "/metrics").status_code == 200, "Prometheus itself comes without a proxy"
    assert from_outside(behind_a_proxy, "/metrics", **{"X-Forwarded-For": "10.0.0.1"}).status_code == 404


def test_requests_are_counted_by_route_and_never_by_address(browser: Browser, services: Services, ana: Person) -> None:
    songs = [a_song(services, ana, title) for title in ("One", "Two")]
    for song in songs:
        browser.get(f"/songs/{song.id}")
    browser.get("/nothing/here")
    browser.client.open("/", method="BREW").close()
    found = series(browser)
    assert found['demixer_web_requests_total{method="GET",route="/songs/<song_id>",status="200"}'] == 2
    assert found['demixer_web_requests_total{method="GET",route="other",status="404"}'] == 1
    assert found['demixer_web_requests_total{method="other",route="other",status="405"}'] == 1
    assert found['demixer_web_request_seconds_count{method="GET",route="/songs/<song_id>"}'] == 2
    assert not any(song.id in name for name in found for song in songs)


def test_what_arrives_is_counted_in_files_and_bytes(browser: Browser, ana: Person) -> None:
    assert browser.send(b"x" * 1000).status_code == 201
    assert browser.send(b"").status_code == 422
    found = series(browser)
    assert found["demixer_web_uploads_total"] == 1
    assert found["demixer_web_upload_bytes_total"] == 1000


def test_open_live_pages_are_counted(app: Flask, browser: Browser, services: Services, ana: Person) -> None:
    song = a_song(services, ana)
    stream = browser.get(f"/live?song={song.id}")
    next(stream.iter_encoded())
    assert series(browser)["demixer_web_live_pages"] == 1
    stream.close()
    assert series(browser)["demixer_web_live_pages"] == 0


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage().rsplit(" ", 2)[0] for record in caplog.records if record.name == "web.http.instrumentation"
    ]


def test_every_request_has_a_line_without_its_query_but_health_checks_have_none(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "web.http.instrumentation")
    for path in ("/search?q=private+taste", "/songs/nothing", "/healthz", "/readyz", "/metrics", "/a%0AERROR%20b"):
        browser.get(path).close()
    assert lines(caplog) == ["GET /search 200", "GET /songs/nothing 404", "GET /a%0AERROR%20b 404"]
    fields = next(record.__dict__["fields"] for record in caplog.records if record.name == "web.http.instrumentation")
    assert (fields["method"], fields["path"], fields["status"]) == ("GET", "/search", 200)
    assert fields["seconds"] > 0


def test_the_line_of_a_live_page_comes_when_it_ends(
    browser: Browser, services: Services, ana: Person, caplog: pytest.LogCaptureFixture
) -> None:
    song = a_song(services, ana)
    caplog.set_level(logging.INFO, "web.http.instrumentation")
    stream = browser.get(f"/live?song={song.id}")
    next(stream.iter_encoded())
    assert lines(caplog) == []
    stream.close()
    assert lines(caplog) == ["GET /live 200"]


def test_lines_carry_the_ids_of_the_request_and_of_the_upload_it_brought(
    browser: Browser, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, str]] = []
    monkeypatch.setattr("web.http.instrumentation.log.info", lambda *args, **named: logged.append(dict(logs_ids())))
    sent = browser.send(b"a song")
    sent.close()
    row = browser.get(f"/uploads/{sent.json['id']}/row")
    row.close()
    assert logged[-2] == {"request": sent.headers["X-Request-ID"], "upload": sent.json["id"]}
    assert logged[-1] == {"request": row.headers["X-Request-ID"], "upload": sent.json["id"]}
    assert logged[-1]["request"] != logged[-2]["request"]


def logs_ids() -> Any:
    from demixer.runtime import logs

    return logs.ids()


def test_only_a_trusted_proxy_gives_request_ids(browser: Browser, behind_a_proxy: Browser) -> None:
    mine = {"X-Request-ID": "from-the-proxy-1"}
    assert browser.get("/healthz", headers=mine).headers["X-Request-ID"] != "from-the-proxy-1"
    assert behind_a_proxy.get("/healthz", headers=mine).headers["X-Request-ID"] == "from-the-proxy-1"
    odd = behind_a_proxy.get("/healthz", headers={"X-Request-ID": "a b" + "c" * 100})
    assert odd.headers["X-Request-ID"] != "a b" + "c" * 100
