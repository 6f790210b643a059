import io
from dataclasses import replace

import pytest
from flask import Flask
from PIL import Image

from demixer.domain import Person, Relation, RelationType, Song
from demixer.wiring import Services
from tests.web.visiting import Browser, a_ready_song, a_song, problem
from tests.wired import Clock, a_worker


def test_the_song_page_names_the_song_and_its_stems(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    page = browser.get(f"/songs/{song.id}").text
    assert "Amanecer" in page
    assert f"/songs/{song.id}/stems/vocals.mp3" in page
    assert "Spleeter" in page


def test_a_song_that_waits_for_its_stems_has_a_page(browser: Browser, ana: Person, services: Services) -> None:
    assert "Amanecer" in browser.get(f"/songs/{a_song(services, ana).id}").text


@pytest.mark.parametrize(
    "path", ["", "/stems/vocals.mp3", "/stems/vocals.json", "/stems.zip", "/cover.jpg", "/stems/x.ogg"]
)
def test_a_song_that_does_not_exist_is_a_404_page(browser: Browser, path: str) -> None:
    response = browser.get(f"/songs/nothing-here{path}")
    assert response.status_code == 404
    assert response.mimetype == "text/html"


def test_the_owner_of_a_song_may_edit_it(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    assert "Amanecer" in browser.get(f"/songs/{song.id}/edit").text
    fields = {"artist": " Ana\x00 ", "album": "", "title": "Atardecer", "year": "1999"}
    assert browser.post(f"/songs/{song.id}/edit", fields).location == f"/songs/{song.id}"
    edited = services.catalogue.songs.get(song.id)
    assert edited
    assert (edited.tags.artist, edited.tags.title, edited.tags.year) == ("Ana", "Atardecer", 1999)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"year": "next"}, "The year must be a number"),
        ({"year": "999"}, "The year must be a number"),
        ({"year": "²²²²"}, "The year must be a number"),
        ({"title": "x" * 301}, "at most 300 characters"),
    ],
)
def test_an_edit_that_cannot_be_comes_back(
    browser: Browser, ana: Person, services: Services, fields: dict[str, str], text: str
) -> None:
    song = a_ready_song(services, ana)
    response = browser.post(f"/songs/{song.id}/edit", {"title": "Kept in the form", **fields})
    assert response.status_code == 422
    assert text in response.text
    assert fields.get("title", "Kept in the form") in response.text
    assert services.catalogue.songs.get(song.id) == song


def test_nobody_else_may_edit_a_song(app: Flask, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    other = Browser(app)
    assert other.get(f"/songs/{song.id}/edit").status_code == 303
    other.sign_up("bea@example.com")
    assert other.get(f"/songs/{song.id}/edit").status_code == 403
    assert other.post(f"/songs/{song.id}/edit", {"title": "Mine"}).status_code == 403
    assert services.catalogue.songs.get(song.id) == song


def test_a_cover_is_cleaned_and_shown(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    picture = io.BytesIO()
    Image.new("RGB", (900, 900), "teal").save(picture, "PNG")
    fields = {"title": "Amanecer", "cover": (io.BytesIO(picture.getvalue()), "cover.png")}
    assert browser.post(f"/songs/{song.id}/edit", fields).status_code == 303
    response = browser.get(f"/songs/{song.id}/cover.jpg")
    assert response.mimetype == "image/jpeg"
    assert max(Image.open(io.BytesIO(response.data)).size) <= 600


def test_a_picture_that_is_none_is_refused(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    response = browser.post(f"/songs/{song.id}/edit", {"title": "A", "cover": (io.BytesIO(b"no picture"), "a.jpg")})
    assert response.status_code == 422
    assert "picture cannot be read" in response.text


def test_a_song_is_added_to_the_library_and_removed_from_it(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    assert browser.post_json(f"/songs/{song.id}/library").json == {"kept": True}
    assert "Amanecer" in browser.get("/library").text
    response = browser.post(f"/songs/{song.id}/library/remove", headers={"Referer": "https://evil.example/x"})
    assert response.location == f"/songs/{song.id}"
    assert song.id not in browser.get("/library").text


def test_a_library_needs_an_account(browser: Browser, services: Services, app: Flask) -> None:
    other = Browser(app)
    other.sign_up("bea@example.com")
    owner = services.accounts.authenticate("bea@example.com", "correct horse battery")
    assert owner
    song = a_ready_song(services, owner)
    assert problem(browser.post_json(f"/songs/{song.id}/library"))["code"] == "not-signed-in"
    response = browser.post(f"/songs/{song.id}/library", headers={"Referer": f"http://localhost/songs/{song.id}"})
    assert response.location == f"/sign-in?next=/songs/{song.id}"


def test_a_play_counts_once_an_hour_for_each_browser(
    app: Flask, browser: Browser, ana: Person, services: Services, clock: Clock
) -> None:
    song = a_ready_song(services, ana)
    for visitor in (browser, browser, Browser(app)):
        assert visitor.post(f"/songs/{song.id}/plays").status_code == 204
    assert _plays(services, song.id) == 2
    clock.advance(3600)
    browser.post(f"/songs/{song.id}/plays")
    assert _plays(services, song.id) == 3


def test_there_is_no_better_model_than_the_one_in_use(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    assert problem(browser.post_json(f"/songs/{song.id}/separate-again"))["code"] == "no-better-model"


def test_home_lists_what_is_new_and_what_is_played(browser: Browser, ana: Person, services: Services) -> None:
    a_song(services, ana, "Not ready yet")
    for title in ("Uno", "Dos"):
        a_ready_song(services, ana, title)
    for path in ("/", "/newest"):
        page = browser.get(path).text
        assert "Uno" in page
        assert "Dos" in page
        assert "Not ready yet" not in page


def test_the_most_played_have_been_played(browser: Browser, ana: Person, services: Services) -> None:
    played, _ = a_ready_song(services, ana, "Uno"), a_ready_song(services, ana, "Dos")
    assert "Most played</h2>" not in browser.get("/").text
    assert "Nothing has been played so far" in browser.get("/most-played").text
    browser.post(f"/songs/{played.id}/plays")
    assert "Most played</h2>" in browser.get("/").text
    page = browser.get("/most-played").text
    assert "Uno" in page
    assert "Dos" not in page


@pytest.mark.parametrize(
    ("model", "promise", "stems"),
    [
        ("spleeter-2stems", "its vocals and its accompaniment", 2),
        ("htdemucs", "its vocals, drums, bass and everything else", 4),
        ("htdemucs_6s", "its vocals, drums, bass and everything else", 4),
        (None, "get its stems", 2),
    ],
)
def test_the_start_page_promises_what_the_model_of_the_workers_makes(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch, model: str | None, promise: str, stems: int
) -> None:
    monkeypatch.setattr("demixer.separation.models.resolve", lambda settings: pytest.fail("a page waits for the hub"))
    services.capabilities.report(a_worker(services.clock(), model or ""))
    page = browser.get("/").text
    assert promise in page
    assert page.count("hero-thread") == stems


def test_lists_go_over_several_pages(browser: Browser, ana: Person, services: Services) -> None:
    for number in range(25):
        a_ready_song(services, ana, f"Nr-{number:02}")
    pages = [browser.get(f"/newest?page={number}").text for number in (1, 2, 3, "zero", -1)]
    shown = [{f"Nr-{number:02}" for number in range(25) if f"Nr-{number:02}" in page} for page in pages]
    assert [len(titles) for titles in shown] == [24, 1, 0, 24, 24]
    assert not shown[0] & shown[1]


def test_search_forgives_accents_and_finds_first_letters(browser: Browser, ana: Person, services: Services) -> None:
    a_ready_song(services, ana, "Canción del Río")
    a_ready_song(services, ana, "Otra")
    for path in ("/search?q=cancion rio", "/search?q=CANC", "/search/suggest?q=ri"):
        page = browser.get(path).text.replace("<mark>", "").replace("</mark>", "")
        assert "Canción del Río" in page
        assert "Otra" not in page


def test_what_was_found_is_marked_whatever_a_song_is_called(browser: Browser, ana: Person, services: Services) -> None:
    a_ready_song(services, ana, "<i>Río</i> & <script>Lluvia")
    page = browser.get("/search?q=rio lluvio").text
    assert "<mark>i&gt;Río&lt;/i</mark>&gt; &amp; &lt;<mark>script&gt;Lluvia</mark>" in page
    assert "<script>Lluvia" not in page


@pytest.mark.parametrize("query", ["", "   ", '"', "a*b:(c", "' OR 1=1 --", "x" * 5000, "%00", "🎵"])
def test_search_takes_whatever_is_typed(browser: Browser, query: str) -> None:
    assert browser.get("/search", query_string={"q": query}).status_code == 200
    assert browser.get("/search/suggest", query_string={"q": query}).status_code == 200


def _plays(services: Services, song_id: str) -> int:
    song = services.catalogue.songs.get(song_id)
    assert song
    return song.plays


@pytest.fixture
def karaoke(services: Services, ana: Person) -> tuple[Song, Song]:
    """A song, and the same without vocals: each knows of the other. The title is one that has to be escaped."""
    full, without = a_ready_song(services, ana), a_ready_song(services, ana, "Sin voz")
    link = Relation(song_id=full.id, type=RelationType.MIX, missing_stems=("vocals",), lacks_stems=True)
    back = Relation(song_id=without.id, type=RelationType.MIX, missing_stems=("vocals",))
    tags = replace(full.tags, title="<b>Amanecer</b>")
    return (
        services.catalogue.songs.save(replace(full, relations=(back,), tags=tags)),
        services.catalogue.songs.save(replace(without, relations=(link,))),
    )


def test_a_karaoke_version_says_what_it_is_and_where_the_song_is(
    browser: Browser, services: Services, karaoke: tuple[Song, Song]
) -> None:
    full, without = karaoke
    page = browser.get(f"/songs/{without.id}").text
    link = f'<a href="/songs/{full.id}">&lt;b&gt;Amanecer&lt;/b&gt;</a>'
    assert f"This is {link} without vocals." in page
    assert "The mix with vocals" in page
    page = browser.get(f"/songs/{full.id}").text
    assert "This is" not in page
    assert "Without vocals" in page
    assert f"/songs/{without.id}" in page


def test_the_api_names_related_songs(browser: Browser, karaoke: tuple[Song, Song]) -> None:
    full, without = karaoke
    (relative,) = browser.get(f"/api/v1/songs/{without.id}").json["relatives"]
    assert (relative["id"], relative["kinship"], relative["without"], relative["less"]) == (
        full.id,
        "mix",
        ["vocals"],
        True,
    )
