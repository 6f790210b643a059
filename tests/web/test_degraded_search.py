"""What people see while the search engine is down."""

from typing import Any

import pytest

from demixer.domain import Person
from demixer.domain.errors import Transient
from demixer.wiring import Services
from tests.web.visiting import Browser, a_ready_song

NOTICE = "Search is limited right now"


@pytest.fixture(autouse=True)
def _resting(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(query: str, **_: Any) -> None:
        raise Transient(reason="nobody answers")

    monkeypatch.setattr(services.search, "search", down)


def test_the_page_shows_what_begins_so_and_says_that_it_is_not_all(
    browser: Browser, ana: Person, services: Services
) -> None:
    a_ready_song(services, ana, "Canción del Río")
    a_ready_song(services, ana, "Un Río")
    page = browser.get("/search?q=cancion d")
    assert page.status_code == 200
    assert NOTICE in page.text
    assert "Canción del Río" in page.text
    assert "Un Río" not in page.text
    assert "1 song" not in page.text


def test_nobody_is_told_that_a_song_was_never_sent(browser: Browser) -> None:
    page = browser.get("/search?q=anything").text
    assert "No song begins with these words" in page
    assert "Nobody has sent that one yet" not in page
    assert "Nobody has sent that one yet" not in browser.get("/search/suggest?q=anything").text


def test_suggestions_still_come(browser: Browser, ana: Person, services: Services) -> None:
    for number in range(10):
        a_ready_song(services, ana, f"Lluvia {number}")
    suggested = browser.get("/search/suggest?q=lluvia").text
    assert (suggested.count("Lluvia"), "All results for" in suggested) == (8, True)


def test_one_can_leaf_through_all_that_begins_so(browser: Browser, ana: Person, services: Services) -> None:
    for number in range(30):
        a_ready_song(services, ana, f"Nr-{number:02}")
    first, second = (browser.get(f"/search?q=nr&page={number}").text for number in (1, 2))
    seen = [{f"Nr-{number:02}" for number in range(30) if f"Nr-{number:02}" in page} for page in (first, second)]
    assert [len(each) for each in seen] == [24, 6]
    assert not seen[0] & seen[1]
    assert ('rel="next"' in first, 'rel="next"' in second) == (True, False)


def test_the_notice_is_in_the_language_of_whoever_reads_it(browser: Browser) -> None:
    page = browser.get("/search?q=x", headers={"Accept-Language": "es"}).text
    assert "La búsqueda está limitada en este momento" in page


def test_the_api_says_so_too(browser: Browser, ana: Person, services: Services) -> None:
    a_ready_song(services, ana, "Canción")
    body = browser.get("/api/v1/songs?q=canc").json
    assert [song["title"] for song in body["songs"]] == ["Canción"]
    assert (body["resting"], body["total"], body["at_least"]) == (True, None, False)
    assert browser.get("/api/v1/songs").json["resting"] is False


def test_the_other_pages_do_not_care(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana, "Canción")
    for path in ("/", "/newest", "/most-played", "/library", f"/songs/{song.id}"):
        assert browser.get(path).status_code == 200
