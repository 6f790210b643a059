"""What people see of a song that was merged into another."""

import io
import zipfile

import pytest

from demixer.domain import Person, Song
from demixer.wiring import Services
from tests.web.visiting import FOUR, Browser, a_ready_song, join


@pytest.fixture
def kept(ana: Person, services: Services) -> Song:
    return a_ready_song(services, ana, "Amanecer", vocals_mp3=b"kept")


@pytest.fixture
def merged(ana: Person, services: Services, kept: Song) -> Song:
    files = {f"{name}_mp3": b"merged" for name in FOUR}
    song = a_ready_song(services, ana, "Amanecer (copia)", **files)
    services.songs.add_to_library(ana.id, song.id)
    services.merging.merge(song.id, kept.id)
    return song


def test_its_page_sends_on_and_its_stems_stay(browser: Browser, kept: Song, merged: Song) -> None:
    sent_on = browser.get(f"/songs/{merged.id}")
    assert (sent_on.status_code, sent_on.location) == (302, f"/songs/{kept.id}")
    assert browser.get(f"/songs/{merged.id}/stems/vocals.mp3").data == b"merged"
    assert browser.get(f"/songs/{kept.id}/stems/vocals.mp3").data == b"kept"


def test_what_is_downloaded_of_it_is_its_own_and_called_so(browser: Browser, merged: Song) -> None:
    stem = browser.get(f"/songs/{merged.id}/stems/vocals.mp3?download=1")
    assert "(copia)" in stem.headers["Content-Disposition"]
    archive = browser.get(f"/songs/{merged.id}/stems.zip?format=mp3")
    assert "(copia)" in archive.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(archive.data)) as found:
        (vocals,) = [name for name in found.namelist() if "vocals" in name]
        assert found.read(vocals) == b"merged"


def test_the_api_answers_with_the_canonical_song(browser: Browser, kept: Song, merged: Song) -> None:
    assert browser.get(f"/api/v1/songs/{merged.id}").json["id"] == kept.id


def test_a_library_that_holds_both_shows_one(
    browser: Browser, services: Services, ana: Person, kept: Song, merged: Song
) -> None:
    services.songs.add_to_library(ana.id, kept.id)
    page = browser.get("/library").text
    assert page.count(f'href="/songs/{kept.id}"') == page.count('class="card"') == 1
    assert merged.id not in page


def test_forms_of_a_page_that_was_open_reach_the_canonical_song(
    browser: Browser, services: Services, kept: Song, merged: Song
) -> None:
    assert browser.post(f"/songs/{merged.id}/edit", {"title": "Alba", "artist": "", "album": "", "year": ""}).location
    assert services.songs.get(kept.id).tags.title == "Alba"
    assert browser.post_json(f"/songs/{merged.id}/plays").status_code == 204
    assert services.songs.get(kept.id).plays == 1


def test_an_upload_leads_to_the_canonical_song(browser: Browser, services: Services, kept: Song, merged: Song) -> None:
    upload = browser.send(b"bytes").json
    join(services, upload["id"], merged)
    assert f"/songs/{kept.id}" in browser.get("/uploads").text
