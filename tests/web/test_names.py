"""Names that AcoustID knows, on the page of a song without any."""

from dataclasses import replace

import pytest
from flask import Flask

from demixer.domain import Person, Song, Tags
from demixer.wiring import Services
from tests.web.visiting import Browser, a_ready_song, problem

KNOWN = Tags(artist="The Easton Ellises", album="EP One", title="Falcon 69")
NOTICE = "This may be"


def offered(services: Services, person: Person, names: Tags = KNOWN) -> Song:
    song = a_ready_song(services, person)
    return services.catalogue.songs.save(replace(song, tags=Tags(title="track01"), proposed_tags=names))


@pytest.fixture
def song(services: Services, ana: Person) -> Song:
    return offered(services, ana)


def now(services: Services, song: Song) -> Song:
    found = services.catalogue.songs.get(song.id)
    assert found
    return found


def test_the_owner_of_the_song_sees_the_proposed_names(browser: Browser, song: Song) -> None:
    page = browser.get(f"/songs/{song.id}").text
    assert f"{NOTICE} <strong>The Easton Ellises – Falcon 69</strong> (EP One)." in page
    assert "<h1>track01</h1>" in page


@pytest.mark.parametrize("email", ["", "bea@example.com"])
def test_nobody_else_sees_it(app: Flask, song: Song, email: str) -> None:
    other = Browser(app)
    if email:
        other.sign_up(email)
    for path in (f"/songs/{song.id}", f"/api/v1/songs/{song.id}"):
        response = other.get(path)
        assert "track01" in response.text
        assert "Falcon" not in response.text


def test_names_are_accepted_at_a_click(browser: Browser, services: Services, song: Song) -> None:
    response = browser.post(f"/songs/{song.id}/names")
    assert (response.status_code, response.location) == (303, f"/songs/{song.id}")
    assert now(services, song).tags == KNOWN
    page = browser.get(f"/songs/{song.id}").text
    assert "<h1>Falcon 69</h1>" in page
    assert "Saved." in page
    assert NOTICE not in page


def test_names_are_declined_at_a_click(browser: Browser, services: Services, song: Song) -> None:
    response = browser.post(f"/songs/{song.id}/names/decline")
    assert (response.status_code, response.location) == (303, f"/songs/{song.id}")
    page = browser.get(f"/songs/{song.id}").text
    assert "The names stay as they are." in page
    assert NOTICE not in page
    assert now(services, song).tags == song.tags


@pytest.mark.parametrize("path", ["names", "names/decline"])
def test_only_its_owner_decides_and_only_from_its_page(
    app: Flask, browser: Browser, services: Services, song: Song, path: str
) -> None:
    other = Browser(app)
    assert problem(other.post_json(f"/songs/{song.id}/{path}"))["code"] == "not-signed-in"
    other.sign_up("bea@example.com")
    assert problem(other.post_json(f"/songs/{song.id}/{path}"))["code"] == "forbidden"
    assert problem(browser.post_json("/songs/nothing-here/names"))["code"] == "no-such-song"
    assert browser.get(f"/songs/{song.id}/{path}").status_code in (404, 405)
    assert browser.client.post(f"/songs/{song.id}/{path}").status_code == 400
    assert now(services, song) == song


@pytest.mark.parametrize("proposed", [None, Tags()])
def test_there_is_no_notice_where_there_is_nothing_to_say(
    browser: Browser, services: Services, ana: Person, proposed: Tags | None
) -> None:
    song = a_ready_song(services, ana)
    services.catalogue.songs.save(replace(song, proposed_tags=proposed))
    assert NOTICE not in browser.get(f"/songs/{song.id}").text


def test_names_without_an_album_leave_no_brackets(browser: Browser, services: Services, ana: Person) -> None:
    song = offered(services, ana, replace(KNOWN, album=""))
    assert f"{NOTICE} <strong>The Easton Ellises – Falcon 69</strong>." in browser.get(f"/songs/{song.id}").text


def test_markup_in_a_name_is_text(browser: Browser, services: Services, ana: Person) -> None:
    song = offered(services, ana, Tags(artist="<script>a</script>", album='"><img>', title="%(song)s {{ 7*7 }}"))
    page = browser.get(f"/songs/{song.id}").text
    assert "&lt;script&gt;a&lt;/script&gt; – %(song)s {{ 7*7 }}</strong> (&#34;&gt;&lt;img&gt;)" in page
    assert "<script>a" not in page


def test_the_notice_speaks_spanish(app: Flask, ana: Person, song: Song) -> None:
    spanish = Browser(app, "es")
    spanish.sign_in()
    page = spanish.get(f"/songs/{song.id}").text
    assert "Puede que esto sea <strong>" in page
    assert "Usar estos nombres" in page
