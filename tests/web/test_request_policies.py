"""What is checked of a request before its body is read stands on each view."""

import io

import pytest
from flask import Flask

from demixer.domain import Person
from tests.web.visiting import Browser, problem
from web.http.request_policy import CHANGING, DEFAULT, FORM_BYTES, current_policy, policy_of, request_policy
from web.views import account, api, songs, uploads

WITHOUT_CSRF = {"api.send_upload", "api.cancel_upload", "api.match"}  # a token, or the header, is checked there
STREAMING = {"uploads.send", "api.send_upload"}


def test_every_view_that_changes_state_says_its_policy(app: Flask) -> None:
    changing = {rule.endpoint for rule in app.url_map.iter_rules() if set(CHANGING) & (rule.methods or set())}
    without = {endpoint for endpoint in changing if policy_of(app.view_functions[endpoint]) is None}
    assert len(changing) > 15
    assert not without, "these lack @request_policy, at least @request_policy()"


def test_no_other_view_goes_without_csrf_or_streams_files(app: Flask) -> None:
    policies = {endpoint: policy for endpoint, view in app.view_functions.items() if (policy := policy_of(view))}
    assert {endpoint for endpoint, policy in policies.items() if not policy.csrf} == WITHOUT_CSRF
    assert {endpoint for endpoint, policy in policies.items() if policy.streams_files} == STREAMING
    large = {endpoint for endpoint, policy in policies.items() if policy.max_body != FORM_BYTES}
    assert large == {*STREAMING, "api.match", "songs.save"}
    assert all(policies[endpoint].authenticate for endpoint in large), "whoever sends much must be known"


@pytest.mark.parametrize(
    ("path", "method", "view"),
    [
        ("/uploads", "POST", uploads.send),
        ("/songs/x/edit", "POST", songs.save),
        ("/sign-in", "POST", account.authenticate),
        ("/api/v1/matches", "POST", api.match),
    ],
)
def test_the_policy_of_a_request_is_that_of_the_view_it_reaches(
    app: Flask, path: str, method: str, view: object
) -> None:
    with app.test_request_context(path, method=method):
        assert current_policy() is policy_of(view)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "method"), [("/uploads", "GET"), ("/uploads", "OPTIONS"), ("/nowhere", "POST"), ("/search", "POST")]
)
def test_what_changes_nothing_has_the_default_policy(app: Flask, path: str, method: str) -> None:
    with app.test_request_context(path, method=method):
        assert current_policy() is DEFAULT


def test_the_decorator_leaves_the_view_as_it_is() -> None:
    def view() -> str:
        return "answer"

    assert request_policy(max_body=7)(view) is view
    policy = policy_of(view)
    assert policy
    assert (policy.max_body, policy.csrf, policy.streams_files, policy.authenticate) == (7, True, False, None)


def test_a_stranger_is_refused_before_the_size_of_the_body(browser: Browser) -> None:
    """Who sends is checked first, then how much, then the CSRF token."""
    big = {"cover": (io.BytesIO(b"x" * 8 * 1024 * 1024), "big.png")}
    assert "/sign-in" in browser.post("/songs/x/edit", big).location
    response = browser.client.post("/api/v1/uploads", data=big)
    assert problem(response)["code"] == "not-signed-in"


def test_the_size_of_the_body_is_checked_before_the_csrf_token(browser: Browser, ana: Person) -> None:
    response = browser.client.post("/songs/x/edit", data=b"x" * 8 * 1024 * 1024)
    assert response.status_code == 413
