"""Every error as one HTML page, or one JSON shape: problem details (RFC 9457). Never a stack trace."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, current_app, json, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from demixer.domain.errors import DemixerError, NotSignedIn, TooMany, Transient
from demixer.domain.messages import N_
from web.http.context import wants_json
from web.http.return_paths import previous_path
from web.presentation.labels import translated

PROBLEM_TYPE = "urn:isolaatti-demixer:problem:"
RETRY_AFTER = "5"  # seconds, after a transient error
TITLES: Mapping[int, str] = {
    400: N_("That did not arrive as it should"),
    401: N_("Please sign in"),
    403: N_("Not yours to change"),
    404: N_("Nothing here"),
    405: N_("Not possible here"),
    409: N_("Not possible any more"),
    413: N_("Too large"),
    422: N_("That cannot be done"),
    429: N_("Too many attempts"),
    500: N_("Something went wrong"),
    503: N_("Busy right now"),
    507: N_("No room left"),
}
HTTP_CODES: Mapping[int, str] = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


def set_up(app: Flask) -> None:
    app.register_error_handler(DemixerError, demixer_error)
    app.register_error_handler(CSRFError, lambda error: error_response(400, "csrf", {}))
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected_error)


def demixer_error(error: DemixerError) -> ResponseReturnValue:
    if isinstance(error, NotSignedIn) and not wants_json():
        return redirect(_sign_in_url(), 303)
    if error.http_status == 500:
        current_app.logger.error("%s on %s", error, request.path, exc_info=error)
    response = error_response(error.http_status, error.code, error.params)
    if isinstance(error, Transient):
        response.headers["Retry-After"] = RETRY_AFTER
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.params["seconds"])
    if isinstance(error, NotSignedIn):
        response.headers["WWW-Authenticate"] = 'Bearer realm="demixer"'
    return response


def http_error(error: HTTPException) -> ResponseReturnValue:
    """What the framework raises: 404, 405, 413, a redirect to the address with a slash, ..."""
    status = error.code or 500
    if status < 400:
        return error
    params = {"limit_mb": current_app.extensions["services"].settings.max_upload_mb} if status == 413 else {}
    response = error_response(status, HTTP_CODES.get(status, "refused" if status < 500 else "internal"), params)
    for name, value in error.get_headers(request.environ):
        if name in KEPT_HEADERS:
            response.headers[name] = value
    return response


def unexpected_error(error: Exception) -> ResponseReturnValue:
    current_app.logger.error("unexpected on %s %s", request.method, request.path, exc_info=error)
    return error_response(500, "internal", {})


def error_response(status: int, code: str, params: Mapping[str, Any]) -> Response:
    text, title = translated(code, params), title_of(status)
    if wants_json():
        return problem_details(status, code, title, text)
    page = render_template("error.html", status=status, title=title, text=text, back=_back())
    return current_app.make_response((page, status))


def problem_details(status: int, code: str, title: str, detail: str) -> Response:
    body = {"type": PROBLEM_TYPE + code, "title": title, "status": status, "detail": detail, "code": code}
    return current_app.response_class(json.dumps(body), status=status, content_type="application/problem+json")


def title_of(status: int) -> str:
    return str(gettext(TITLES.get(status, TITLES[422 if status < 500 else 500])))


def _back() -> str:
    """The page of this site that led here; "" if it was another site, this page itself, or the start page."""
    page = previous_path("")
    here = request.full_path.rstrip("?") if request.method == "GET" else ""
    return "" if page in (here, url_for("pages.home")) else page


def _sign_in_url() -> str:
    """The sign-in page; from there the person gets back to this page, or after a form to the page it was on."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" else previous_path(url_for("pages.home"))
    return url_for("account.sign_in", next=wanted)
