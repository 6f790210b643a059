"""Downloads that come from the store itself, where it has an address for browsers."""

import urllib.request
from dataclasses import replace

import pytest
from flask import Flask

from demixer.adapters.s3.files import S3Files
from demixer.adapters.s3.location import location_of
from demixer.domain import Person, Song
from demixer.wiring import Services, build_services
from tests.servers import Engine
from tests.web.visiting import Browser, a_ready_song, problem

BYTES = bytes(range(256)) * 40
Addresses = list[tuple[str, str, str]]  # key, media type, disposition


class Links:
    """Gives an address for everything, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.given: Addresses = []

    def signed_url(self, key: str, *, media_type: str, disposition: str) -> str | None:
        self.given.append((key, media_type, disposition))
        return f"https://files.example.org/{key}?signed"


@pytest.fixture
def links(services: Services) -> Links:
    services.files.links = made = Links()
    return made


@pytest.fixture
def song(services: Services, ana: Person) -> Song:
    return a_ready_song(services, ana, "Canción", vocals_mp3=BYTES, vocals_json=b"{}")


def stem(song: Song, name: str = "vocals.mp3") -> str:
    return f"/songs/{song.id}/stems/{name}"


def test_a_download_is_sent_on_to_the_store_under_its_name_for_people(
    browser: Browser, song: Song, links: Links
) -> None:
    response = browser.get(stem(song) + "?download=1")
    key = f"songs/{song.id}/{song.separation_id}/vocals.mp3"
    assert (response.status_code, response.location) == (302, f"https://files.example.org/{key}?signed")
    ((given, media_type, disposition),) = links.given
    assert (given, media_type) == (key, "audio/mpeg")
    assert disposition.startswith('attachment; filename="Ana y Los Otros - Cancion (vocals).mp3"; filename*=UTF-8')


def test_an_address_that_will_expire_is_kept_by_no_cache(browser: Browser, song: Song, links: Links) -> None:
    response = browser.get(stem(song) + "?download=1")
    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers


def test_a_part_of_a_download_is_asked_of_the_store_too(browser: Browser, song: Song, links: Links) -> None:
    assert browser.get(stem(song) + "?download=1", headers={"Range": "bytes=5-9"}).status_code == 302


def test_head_of_a_download_is_answered_here_since_the_address_is_good_for_get_only(
    browser: Browser, song: Song, links: Links
) -> None:
    response = browser.client.head(stem(song) + "?download=1")
    assert (response.status_code, response.content_length, response.data) == (200, len(BYTES), b"")
    assert links.given == []


@pytest.mark.parametrize("name", ["vocals.mp3", "vocals.json", "vocals.mp3?download=0"])
def test_what_the_page_plays_and_draws_comes_from_us(browser: Browser, song: Song, links: Links, name: str) -> None:
    assert browser.get(stem(song, name)).status_code == 200
    assert browser.get(stem(song, name), headers={"Range": "bytes=0-0"}).status_code == 206
    assert links.given == []


def test_a_download_of_what_is_not_there_is_sent_on_nowhere(browser: Browser, song: Song, links: Links) -> None:
    response = browser.get(stem(song, "drums.mp3") + "?download=1", headers={"Accept": "application/json"})
    assert problem(response)["code"] == "no-such-stem"
    assert links.given == []


def test_a_store_without_an_address_for_browsers_gives_its_bytes_through_us(browser: Browser, song: Song) -> None:
    assert browser.get(stem(song) + "?download=1").data == BYTES


@pytest.fixture
def services_on_s3(services: Services, s3: Engine) -> Services:
    url = s3.fresh()
    return build_services(replace(services.adapters, files=S3Files(url, location_of(url).endpoint)))


def test_a_download_from_s3_itself_has_the_bytes_and_the_name(
    services_on_s3: Services, app: Flask, ana: Person
) -> None:
    app.extensions["services"] = services_on_s3
    song = a_ready_song(services_on_s3, ana, "Canción", vocals_mp3=BYTES, vocals_json=b"{}")
    browser = Browser(app)
    assert browser.get(stem(song)).data == BYTES
    assert browser.get(stem(song), headers={"Range": "bytes=100-199"}).data == BYTES[100:200]
    address = browser.get(stem(song) + "?download=1").location
    assert address
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == BYTES
        assert answer.headers["Content-Type"] == "audio/mpeg"
        assert "filename*=UTF-8''Ana%20y%20Los%20Otros%20-%20Canci%C3%B3n" in answer.headers["Content-Disposition"]
