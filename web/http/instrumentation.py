"""Every request gets an id that its log lines carry, a log line of its own at the end, and is counted."""

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, current_app, g, request
from werkzeug.wrappers import Response

from demixer.runtime import logs
from web.http.context import services

if TYPE_CHECKING:  # imported after `web.server` has said where to count
    from web.http.metrics import WebMetrics

HEADER = "X-Request-ID"
REQUEST_ID = re.compile(r"[\w.:+/=-]{1,80}", re.ASCII)  # what a trusted proxy may send as one
UNLOGGED = ("/healthz", "/readyz", "/metrics")  # requested every few seconds
PATH_LENGTH = 200  # characters of a path that are logged

log = logging.getLogger(__name__)


def set_up(app: Flask, metrics: "WebMetrics") -> None:
    """Called before the other `set_up`, so that the requests they refuse are counted, too."""
    app.extensions["metrics"] = metrics
    app.before_request(_begin)
    app.after_request(_count)


def metrics() -> "WebMetrics":
    found: WebMetrics = current_app.extensions["metrics"]
    return found


def received(upload_id: str, size: int) -> None:
    """The current request has brought a file of `size` bytes."""
    logs.note(upload=upload_id)
    metrics().received(size)


def _begin() -> None:
    g.began = time.monotonic()
    g.request_id = _proxy_request_id() or uuid.uuid4().hex
    view_args = request.view_args or {}
    logs.begin(request=g.request_id, upload=view_args.get("upload_id"), song=view_args.get("song_id"))


def _proxy_request_id() -> str:
    """Of a trusted proxy, else "": anybody else could make two requests look like one."""
    given = request.headers.get(HEADER, "") if services().settings.https else ""
    return given if REQUEST_ID.fullmatch(given) else ""


def _count(response: Response) -> Response:
    """The answer begins. It may go on for long: a live page, a download."""
    began, method, path, status = g.began, request.method, request.path, response.status_code
    route = request.url_rule.rule if request.url_rule else ""
    metrics().answered(route=route, method=method, status=status, seconds=time.monotonic() - began)
    response.headers[HEADER] = g.request_id
    response.call_on_close(lambda: _log_request(method, path, status, began))
    return response


def _log_request(method: str, path: str, status: int, began: float) -> None:
    if path not in UNLOGGED:
        seconds = round(time.monotonic() - began, 3)
        shown = quote(path, safe="/:@!$&'()*+,;=~")[:PATH_LENGTH]
        fields = {"method": method, "path": shown, "status": status, "seconds": seconds}
        log.info("%s %s %d %.3f s", method, shown, status, seconds, extra={"fields": fields})
    logs.begin()
