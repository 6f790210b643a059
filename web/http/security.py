"""Checks of every request before its view runs: who sends it, how large it is, its CSRF token; and security headers."""

import time
from collections.abc import Callable

from flask import Flask, g, request
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf
from werkzeug.wrappers import Response
from wtforms import ValidationError

from demixer.domain.errors import TooLarge
from demixer.runtime.settings import MEGABYTE
from web.http.context import services
from web.http.request_policy import CHANGING, FORM_BYTES, current_policy

DRAIN_SECONDS = 10.0  # how long a refused body is read on, so that the client gets to see the answer
DRAIN_BLOCK = 256 * 1024

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# A worker has a policy of its own, so no page has to allow WebAssembly.
WORKER_SECURITY_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

csrf = CSRFProtect()


def set_up(app: Flask, *, https: bool) -> None:
    """The policy is applied before the CSRF check, which reads the body where the token is in the form."""
    app.config.update(
        MAX_CONTENT_LENGTH=FORM_BYTES,
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as the session: pages are left open for hours
        WTF_CSRF_CHECK_DEFAULT=False,  # checked by `check_csrf`
    )
    csrf.init_app(app)
    app.before_request(apply_policy)
    app.before_request(check_csrf)
    app.after_request(_drain_when_refused)
    app.after_request(_add_headers({"Strict-Transport-Security": "max-age=31536000"} if https else {}))


def apply_policy() -> None:
    """Before a byte of the body is read. Raises `NotSignedIn`, and `TooLarge` for a body that says it is."""
    policy = current_policy()
    if policy.authenticate is not None:
        g.authenticated = policy.authenticate()
    if policy.max_body is not None:
        limit_body(policy.max_body() if callable(policy.max_body) else policy.max_body)


def limit_body(size: int) -> None:
    """Let this request have a body of `size` bytes. Raises `TooLarge` for one that says it has more."""
    request.max_content_length = size
    if (request.content_length or 0) > size:
        raise TooLarge(limit_mb=max(1, min(size, services().settings.max_upload_bytes) // MEGABYTE))


def check_csrf() -> None:
    """A token in the header is checked without reading the body; without one the form must carry it."""
    if request.method not in CHANGING or request.endpoint is None or not current_policy().csrf:
        return
    if "X-CSRFToken" in request.headers:
        check_csrf_header()
    else:
        csrf.protect()


def check_csrf_header() -> None:
    """Raises `CSRFError` for a request whose header does not hold the token of a page of ours."""
    try:
        validate_csrf(request.headers.get("X-CSRFToken"))
    except ValidationError as error:
        raise CSRFError(error.args[0]) from error


def _add_headers(more: dict[str, str]) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        response.headers.extend(
            {name: value for name, value in (HEADERS | more).items() if name not in response.headers}
        )
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "private, no-cache"
            response.vary.update(("Cookie", "Accept-Language"))
        return response

    return add


def _drain_when_refused(response: Response) -> Response:
    """A connection closed with unread bytes is reset, and the client never sees why. So read on for a while."""
    if request.method in CHANGING and response.status_code >= 300 and "wsgi.input_terminated" in request.environ:
        body, socket = request.environ["wsgi.input"], request.environ.get("gunicorn.socket")
        response.call_on_close(lambda: _drain(body.read, socket))
    return response


def _drain(read: Callable[[int], bytes], socket: object) -> None:
    if hasattr(socket, "settimeout"):
        socket.settimeout(DRAIN_SECONDS)
    deadline = time.monotonic() + DRAIN_SECONDS
    try:
        while time.monotonic() < deadline and read(DRAIN_BLOCK):
            pass
    except Exception:  # noqa: S110 - the answer is out; whatever the dead connection raises changes nothing
        pass
