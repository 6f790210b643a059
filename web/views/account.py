"""Sign up, in and out; the account page with its API tokens; the language switch."""

from flask import Blueprint, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.domain.errors import Refused, TooMany
from demixer.ports import MIN_PASSWORD
from web.http import sessions
from web.http.context import person, services, signed_in
from web.http.rate_limits import SignInLimit
from web.http.request_policy import request_policy
from web.http.return_paths import next_path, previous_path
from web.presentation.forms import SignInForm, SignUpForm
from web.presentation.language import COOKIE, COOKIE_SECONDS, LANGUAGES

blueprint = Blueprint("account", __name__)


@blueprint.get("/sign-up")
def sign_up() -> ResponseReturnValue:
    return redirect(next_path(), 303) if person() else _page("sign_up.html", SignUpForm())


@blueprint.post("/sign-up")
@request_policy()
def create() -> ResponseReturnValue:
    form = SignUpForm(request.form)
    if not form.validate():
        return _page("sign_up.html", form), 422
    try:
        created = services().accounts.create(form.email.data, form.password.data, form.name.data, services().clock())
    except Refused as error:
        form.add_error(error)
        return _page("sign_up.html", form), error.http_status
    sessions.sign_in(created)
    flash(gettext("Welcome, %(name)s.", name=created.name), "ok")
    return redirect(next_path(), 303)


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    return redirect(next_path(), 303) if person() else _page("sign_in.html", SignInForm())


@blueprint.post("/sign-in")
@request_policy()
def authenticate() -> ResponseReturnValue:
    """Whoever failed too often has to wait, also with the right password."""
    form = SignInForm(request.form)
    limit: SignInLimit = current_app.extensions["sign_in_limit"]
    account, address = form.email.data, request.remote_addr or ""
    try:
        limit.check(account, address, services().clock())
    except TooMany as error:
        form.add_error(error)
        return _page("sign_in.html", form), error.http_status, {"Retry-After": str(error.params["seconds"])}
    found = services().accounts.authenticate(account, form.password.data)
    if found is None:
        limit.failed(account, address)
        form.add_error(Refused("wrong-credentials"))
        return _page("sign_in.html", form), 422
    limit.succeeded(account, address)
    sessions.sign_in(found)
    return redirect(next_path(), 303)


@blueprint.post("/sign-out")
@request_policy()
def sign_out() -> ResponseReturnValue:
    sessions.sign_out()
    flash(gettext("You are signed out."), "ok")
    return redirect(url_for("pages.home"), 303)


@blueprint.get("/account")
def settings() -> ResponseReturnValue:
    """A token that was just made is shown once, as a flashed message is: only its hash is stored."""
    signed_in()
    token = session.pop("token", None)
    page = current_app.make_response(render_template("account.html", token=token))
    if token:
        page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/account/tokens")
@request_policy()
def create_token() -> ResponseReturnValue:
    """The token travels in the session, not in the address, and a reload of the page makes no other."""
    session["token"] = services().accounts.create_token(signed_in().email, services().clock())
    return redirect(url_for(".settings"), 303)


@blueprint.post("/account/tokens/withdraw")
@request_policy()
def revoke_tokens() -> ResponseReturnValue:
    services().accounts.revoke_tokens(signed_in().id)
    session.pop("token", None)
    flash(gettext("All tokens are withdrawn. Programs that used one need a new one."), "ok")
    return redirect(url_for(".settings"), 303)


@blueprint.post("/language")
@request_policy()
def language() -> ResponseReturnValue:
    response = redirect(next_path(previous_path(url_for("pages.home"))), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        secure = services().settings.https
        response.set_cookie(COOKIE, chosen, COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


def _page(template: str, form: SignUpForm | SignInForm) -> str:
    """With what was typed, except the password."""
    return render_template(template, form=form, next=next_path(""), min_password=MIN_PASSWORD)
