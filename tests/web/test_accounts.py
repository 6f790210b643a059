import re

import pytest
from flask import Flask

from demixer.domain import Person
from demixer.wiring import Services
from tests.web.visiting import PASSWORD, Browser
from tests.wired import Clock


def test_signing_up_signs_in_and_goes_on_to_where_one_wanted_to_go(browser: Browser) -> None:
    response = browser.sign_up(next="/library?page=2")
    assert response.status_code == 303
    assert response.location == "/library?page=2"
    assert browser.get("/library").status_code == 200


def test_signing_out_and_in_again(browser: Browser, ana: Person) -> None:
    assert browser.post("/sign-out").status_code == 303
    assert browser.get("/account").status_code == 303
    assert browser.sign_in().location == "/"
    assert ana.email in browser.get("/account").text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"email": "nobody"}, "does not look like an e-mail"),
        ({"password": "short"}, "at least 10 characters"),
        ({"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_form_that_cannot_be_taken_comes_back_with_what_was_typed(
    browser: Browser, fields: dict[str, str], text: str
) -> None:
    response = browser.sign_up(**{"email": "zoe@example.com", "name": "Zoë", **fields})
    assert response.status_code == 422
    assert text in response.text
    assert fields.get("email", "zoe@example.com") in response.text
    assert PASSWORD not in response.text


def test_an_email_has_one_account(app: Flask, ana: Person) -> None:
    response = Browser(app).sign_up(ana.email.upper())
    assert response.status_code == 422
    assert "already an account" in response.text


def test_a_wrong_password_is_refused_in_the_readers_language(app: Flask, ana: Person) -> None:
    response = Browser(app).sign_in(password="something else")
    assert response.status_code == 422
    assert "E-mail or password is not right" in response.text


def test_who_has_to_wait_gets_the_form_back_with_the_email(app: Flask, ana: Person) -> None:
    guesser = Browser(app)
    for _ in range(5):
        guesser.sign_in(password="a wrong guess", next="/library")
    response = guesser.sign_in(password="a wrong guess", next="/library")
    assert response.status_code == 429
    assert "tried too often" in response.text
    assert f'value="{ana.email}"' in response.text
    assert 'name="next" value="/library"' in response.text
    assert "a wrong guess" not in response.text


def test_the_form_states_the_length_of_a_password(browser: Browser) -> None:
    assert "At least 10 characters" in browser.get("/sign-up").text


def test_guessing_passwords_gets_slower_and_slower(app: Flask, ana: Person, clock: Clock) -> None:
    guesser = Browser(app)
    for _ in range(5):
        assert guesser.sign_in(password="a wrong guess").status_code == 422
    assert guesser.sign_in(password="a wrong guess").status_code == 429
    assert guesser.sign_in().status_code == 429  # the right one has to wait as well
    clock.advance(3)
    assert guesser.sign_in(password="a wrong guess").status_code == 422
    clock.advance(3)
    assert guesser.sign_in().status_code == 429
    clock.advance(2)
    assert guesser.sign_in().status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "/%0d\n/evil.example",
        "javascript:1",
        "/a\\b",
    ],
)
def test_nobody_is_sent_to_another_site(browser: Browser, elsewhere: str) -> None:
    assert browser.sign_up(next=elsewhere).location == "/"


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    response = browser.client.post("/sign-up", data={"email": "ana@example.com", "password": PASSWORD})
    assert response.status_code == 400
    assert "came from elsewhere" in response.text


def test_a_token_of_another_session_is_refused(app: Flask, browser: Browser) -> None:
    other = Browser(app).token()
    assert browser.post("/sign-out", headers={"X-CSRFToken": other}).status_code == 400


def test_the_token_may_be_in_the_form(browser: Browser) -> None:
    fields = {"email": "ana@example.com", "password": PASSWORD, "csrf_token": browser.token()}
    assert browser.client.post("/sign-up", data=fields).status_code == 303


def test_signing_in_starts_a_fresh_session(app: Flask, ana: Person) -> None:
    other = Browser(app)
    before = other.token()
    other.sign_in()
    assert other.post("/sign-out", headers={"X-CSRFToken": before}).status_code == 400


def test_pages_of_ones_own_lead_to_the_sign_in_and_back(browser: Browser) -> None:
    response = browser.get("/uploads?page=3")
    assert response.status_code == 303
    assert response.location == "/sign-in?next=/uploads?page%3D3"


def test_a_new_token_is_shown_once_and_works(browser: Browser, ana: Person, services: Services) -> None:
    made = browser.post("/account/tokens")
    assert (made.status_code, made.location) == (303, "/account")
    page = browser.get("/account")
    token = _token_on(page.text)
    assert services.accounts.by_token(token) == ana
    assert page.headers["Cache-Control"] == "no-store"
    assert "dmx_" not in browser.get("/account").text


def test_withdrawn_tokens_stop_working(browser: Browser, ana: Person, services: Services) -> None:
    browser.post("/account/tokens")
    token = _token_on(browser.get("/account").text)
    browser.post("/account/tokens")  # made, and withdrawn before anybody saw it
    assert browser.post("/account/tokens/withdraw").location == "/account"
    assert services.accounts.by_token(token) is None
    page = browser.get("/account").text
    assert "All tokens are withdrawn" in page
    assert "dmx_" not in page


@pytest.mark.parametrize("path", ["/account/tokens", "/account/tokens/withdraw"])
def test_tokens_are_for_who_is_signed_in(browser: Browser, path: str) -> None:
    assert "/sign-in" in browser.post(path).location


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    cookie = browser.sign_up().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_language_is_the_browsers_until_it_is_chosen(app: Flask) -> None:
    browser = Browser(app, language="es-MX,es;q=0.9")
    assert 'lang="es"' in browser.get("/").text
    response = browser.post("/language", {"language": "en", "next": "/newest"})
    assert response.location == "/newest"
    assert 'lang="en"' in browser.get("/").text


def test_an_unknown_language_changes_nothing(browser: Browser) -> None:
    response = browser.post("/language", {"language": "tlh"}, headers={"Referer": "http://localhost/search?q=a"})
    assert response.location == "/search?q=a"
    assert 'lang="en"' in browser.get("/").text


def _token_on(page: str) -> str:
    found = re.search(r"dmx_[\w-]+", page)
    assert found
    return found[0]
