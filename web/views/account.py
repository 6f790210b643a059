"""Sign up, in and out; the account page with its API tokens; the language switch."""

from collections.abc import Mapping

from flask import Blueprint, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.domain import Person, require
from demixer.domain.errors import Refused, TooMany
from demixer.ports import MIN_PASSWORD
from web.http import sessions
from web.http.context import person, services, signed_in
from web.http.rate_limits import Throttle
from web.presentation import forms
from web.presentation.labels import translated
from web.presentation.language import COOKIE, COOKIE_SECONDS, LANGUAGES

blueprint = Blueprint("account", __name__)
NAME_LENGTH = 100  # characters of a person's name
PASSWORD_LENGTH = 1_000  # no honest password is longer, and hashing takes its time
FIELDS = {"email-taken": "email", "email-invalid": "email", "password-short": "password", "text-long": "name"}


@blueprint.get("/sign-up")
def sign_up() -> ResponseReturnValue:
    return redirect(forms.safe_next(), 303) if person() else _form("sign_up.html")


@blueprint.post("/sign-up")
def create() -> ResponseReturnValue:
    try:
        made = _create()
    except Refused as error:
        field = FIELDS.get(error.code, "email")
        return _form("sign_up.html", {field: translated(error.code, error.params)}), error.http_status
    sessions.sign_in(made)
    flash(gettext("Welcome, %(name)s.", name=made.name), "ok")
    return redirect(forms.safe_next(), 303)


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    return redirect(forms.safe_next(), 303) if person() else _form("sign_in.html")


@blueprint.post("/sign-in")
def authenticate() -> ResponseReturnValue:
    try:
        found = _authenticate(forms.text("email"), request.form.get("password", ""))
    except TooMany as error:
        return _form("sign_in.html", {"password": translated(error.code, error.params)}), error.http_status
    if found is None:
        return _form("sign_in.html", {"password": translated("wrong-credentials", {})}), 422
    sessions.sign_in(found)
    return redirect(forms.safe_next(), 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    sessions.sign_out()
    flash(gettext("You are signed out."), "ok")
    return redirect(url_for("pages.home"), 303)


@blueprint.get("/account")
def settings() -> ResponseReturnValue:
    """With the token that was just made, this once: only its hash is kept."""
    signed_in()
    token = session.pop("token", None)
    page = current_app.make_response(render_template("account.html", token=token))
    if token:
        page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/account/tokens")
def create_token() -> ResponseReturnValue:
    """The token travels in the session, not in the address, and a reload of the page makes no other."""
    session["token"] = services().accounts.create_token(signed_in().email, services().clock())
    return redirect(url_for(".settings"), 303)


@blueprint.post("/account/tokens/withdraw")
def withdraw_tokens() -> ResponseReturnValue:
    services().accounts.revoke_tokens(signed_in().id)
    session.pop("token", None)
    flash(gettext("All tokens are withdrawn. Programs that used one need a new one."), "ok")
    return redirect(url_for(".settings"), 303)


@blueprint.post("/language")
def language() -> ResponseReturnValue:
    response = redirect(forms.safe_next(forms.back(url_for("pages.home"))), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        secure = services().settings.https
        response.set_cookie(COOKIE, chosen, COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


def _create() -> Person:
    name, password = forms.text("name"), request.form.get("password", "")
    require(len(name) <= NAME_LENGTH, "text-long", length=NAME_LENGTH)
    email = forms.text("email")
    return services().accounts.create(email, password[:PASSWORD_LENGTH], name, services().clock())


def _authenticate(email: str, password: str) -> Person | None:
    """Raises `TooMany` after too many failures for this account from this address."""
    throttle: Throttle = current_app.extensions["throttle"]
    key, now = f"{email.casefold()}\n{request.remote_addr}", services().clock()
    throttle.check(key, now)
    found = services().accounts.authenticate(email, password[:PASSWORD_LENGTH])
    if found is None:
        throttle.failed(key, now)
    else:
        throttle.succeeded(key)
    return found


def _form(template: str, errors: Mapping[str, str] | None = None) -> str:
    """With what was typed, except the password."""
    form = {"email": forms.text("email"), "name": forms.text("name")}
    return render_template(
        template, form=form, errors=errors or {}, next=forms.safe_next(""), min_password=MIN_PASSWORD
    )
