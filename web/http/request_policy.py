"""What a view requires of a request before a byte of its body is read. A decorator on the view sets it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import current_app, request

from demixer.domain import Person
from demixer.runtime.settings import MEGABYTE

FORM_BYTES = MEGABYTE  # of a form without files
CHANGING = ("POST", "PUT", "PATCH", "DELETE")

View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPolicy:
    """`authenticate` returns who sends the request, or raises `NotSignedIn`; the view gets the person from
    `web.http.context.authenticated`.

    `max_body` is in bytes; a function is called after `authenticate`. None: the view calls `security.limit_body`
    itself, since it has more to check first.
    `csrf`: the request must carry the CSRF token of the session, in a header or in the form.
    `streams_files`: the files of the form go into the file store while they arrive. Of any other form, they are held
    in memory, so `max_body` must be small.
    """

    authenticate: Callable[[], Person] | None = None
    max_body: int | Callable[[], int] | None = FORM_BYTES
    csrf: bool = True
    streams_files: bool = False


DEFAULT = RequestPolicy()


def request_policy(
    *,
    authenticate: Callable[[], Person] | None = None,
    max_body: int | Callable[[], int] | None = FORM_BYTES,
    csrf: bool = True,
    streams_files: bool = False,
) -> Callable[[View], View]:
    """Set the `RequestPolicy` of a view. Every view that changes state has one, if only `@request_policy()`."""
    policy = RequestPolicy(authenticate=authenticate, max_body=max_body, csrf=csrf, streams_files=streams_files)

    def decorate(view: View) -> View:
        view.request_policy = policy  # type: ignore[attr-defined]
        return view

    return decorate


def policy_of(view: Callable[..., object] | None) -> RequestPolicy | None:
    """What the decorator has set. None without a decorator."""
    policy: RequestPolicy | None = getattr(view, "request_policy", None)
    return policy


def current_policy() -> RequestPolicy:
    """Of the view that will answer the request; the default where there is none, or where it only reads."""
    if request.method not in CHANGING or request.endpoint is None:
        return DEFAULT
    return policy_of(current_app.view_functions.get(request.endpoint)) or DEFAULT
