"""What every view asks for: the services, and who sends the request."""

from flask import current_app, g, request
from flask_login import UserMixin, current_user

from demixer.domain import Person
from demixer.domain.errors import NotSignedIn
from demixer.wiring import Services


class Visitor(UserMixin):  # type: ignore[misc]  # Flask-Login publishes no types
    """A signed-in person, as Flask-Login wants to see one."""

    def __init__(self, person: Person) -> None:
        self.id = person.id
        self.person = person


def services() -> Services:
    opened: Services = current_app.extensions["services"]
    return opened


def person() -> Person | None:
    """Who is signed in by the session cookie, if anybody."""
    found: Person | None = getattr(current_user, "person", None)
    return found


def person_id() -> str | None:
    found = person()
    return found.id if found else None


def signed_in() -> Person:
    """Who is signed in by the session cookie. Raises `NotSignedIn`."""
    found = person()
    if found is None:
        raise NotSignedIn
    return found


def authenticated() -> Person:
    """Whom the `authenticate` of the view's request policy has returned."""
    found: Person = g.authenticated
    return found


def wants_json() -> bool:
    """Whether the answer should be JSON: always under /api, elsewhere where `Accept` prefers it."""
    accepted = request.accept_mimetypes
    return request.path.startswith("/api/") or accepted["application/json"] > accepted["text/html"]
