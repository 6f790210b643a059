"""Who is signed in: a signed cookie that holds the person's id, through Flask-Login."""

from datetime import timedelta

from flask import Flask, session
from flask_login import LoginManager, login_user, logout_user

from demixer.domain import Person
from web.http.context import Visitor, services

LIFETIME = timedelta(days=31)  # without a visit


def set_up(app: Flask, *, https: bool) -> None:
    app.config.update(
        SESSION_COOKIE_NAME="demixer",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )
    manager = LoginManager(app)
    manager.session_protection = "basic"  # "strong" would sign a phone out whenever it changes its network
    manager.user_loader(_load)


def sign_in(person: Person) -> None:
    """In a new session: that of an earlier visitor of this browser, with its CSRF token, is dropped."""
    session.clear()
    session.permanent = True
    login_user(Visitor(person))


def sign_out() -> None:
    logout_user()
    session.clear()


def _load(person_id: str) -> Visitor | None:
    person = services().accounts.get(person_id)
    return Visitor(person) if person else None
