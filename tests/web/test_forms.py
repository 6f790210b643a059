"""Forms that cannot be accepted come back with what was typed and a message beside each field."""

import io
import re

import pytest
from flask import Flask

from demixer.domain import Person
from demixer.wiring import Services
from tests.web.visiting import PASSWORD, Answer, Browser, a_ready_song


def errors(response: Answer) -> dict[str, str]:
    """By the name of the field: the text that its `aria-describedby` leads to."""
    notes = re.findall(r'<p class="field-error" id="([a-z]+)-note">([^<]+)</p>', response.text)
    for name, _ in notes:
        assert re.search(rf'<input id="{name}" name="{name}"[^>]*aria-invalid="true"', response.text)
    return dict(notes)


def test_every_field_that_cannot_be_accepted_has_its_message(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    fields = {
        "title": "t" * 301,
        "album": "a" * 301,
        "artist": "Ana",
        "year": "19",
        "cover": (io.BytesIO(b"x"), "a.png"),
    }
    response = browser.post(f"/songs/{song.id}/edit", fields)
    assert response.status_code == 422
    assert set(errors(response)) == {"title", "album", "year", "cover"}
    assert 'value="Ana"' in response.text
    assert 'value="19"' in response.text
    assert services.catalogue.songs.get(song.id) == song


def test_an_error_of_the_use_case_stands_beside_its_field(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    assert set(errors(browser.post(f"/songs/{song.id}/edit", {"title": "A", "year": "0999"}))) == {"year"}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"email": "nobody"}, {"email"}),
        ({"email": "ana@example.com"}, {"email"}),
        ({"password": "short"}, {"password"}),
        ({"name": "n" * 101}, {"name"}),
    ],
)
def test_signing_up_says_beside_which_field(app: Flask, ana: Person, fields: dict[str, str], names: set[str]) -> None:
    response = Browser(app).sign_up(**{"email": "zoe@example.com", **fields})
    assert response.status_code == 422
    assert set(errors(response)) == names


def test_a_wrong_password_is_said_beside_the_password(app: Flask, ana: Person) -> None:
    assert set(errors(Browser(app).sign_in(password="a wrong guess"))) == {"password"}


def test_the_form_of_a_song_shows_its_tags(browser: Browser, ana: Person, services: Services) -> None:
    page = browser.get(f"/songs/{a_ready_song(services, ana).id}/edit").text
    for name, value in {"artist": "Ana y Los Otros", "album": "Uno", "title": "Amanecer", "year": "2001"}.items():
        assert f'name="{name}" type="text" value="{value}"' in page


def test_a_file_in_the_place_of_a_text_is_no_text(browser: Browser, ana: Person, services: Services) -> None:
    song = a_ready_song(services, ana)
    fields = {"title": (io.BytesIO(b"x"), "title.txt"), "artist": "Ana"}
    assert browser.post(f"/songs/{song.id}/edit", fields).status_code == 303
    edited = services.catalogue.songs.get(song.id)
    assert edited
    assert (edited.tags.title, edited.tags.artist, edited.tags.year) == ("", "Ana", None)


@pytest.mark.parametrize("body", [b'["a"]', b'{"email": {"a": 1}}', b"nonsense", b"null"])
def test_json_is_an_empty_form(browser: Browser, body: bytes) -> None:
    headers = {"X-CSRFToken": browser.token(), "Content-Type": "application/json"}
    assert browser.client.post("/sign-in", data=body, headers=headers).status_code == 422


def test_a_password_is_taken_as_it_was_typed(app: Flask) -> None:
    spaced = f"  {PASSWORD}\t "
    Browser(app).sign_up(password=spaced)
    assert Browser(app).sign_in(password=PASSWORD).status_code == 422
    assert Browser(app).sign_in(password=spaced).status_code == 303
