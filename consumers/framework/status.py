"""`/metrics`, `/healthz` and `/readyz` of a consumer process, on a port of its own, for other machines to read."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from consumers.framework import metrics
from demixer.domain.errors import ConfigurationError
from demixer.runtime.settings import Settings
from demixer.services.health import Health

TIMEOUT_SECONDS = 10.0  # for a client that stops in the middle of its request

Response = tuple[int, str, bytes]  # status, media type, body

log = logging.getLogger(__name__)


class Status:
    """`stuck` names the consumers of this process that are stuck."""

    def __init__(self, health: Health, stuck: Callable[[], Sequence[str]]) -> None:
        self._health, self._stuck = health, stuck

    def respond(self, path: str) -> Response:
        match path.partition("?")[0]:
            case "/healthz":
                return HTTPStatus.OK, "text/plain", b"ok\n"
            case "/readyz":
                return self._readiness()
            case "/metrics":
                return HTTPStatus.OK, *metrics.rendered()
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"there is /metrics, /healthz and /readyz\n"

    def _readiness(self) -> Response:
        report, stuck = self._health.report(), self._stuck()
        ready = report.ready and not stuck
        body = {**report.body(), "ready": ready, "stuck": list(stuck)}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(body).encode() + b"\n"


def serve(settings: Settings, health: Health, stuck: Callable[[], Sequence[str]], held: ExitStack) -> None:
    """In threads, until `held` closes; nothing without METRICS_PORT. Raises `ConfigurationError` where it is taken."""
    if not settings.metrics_port:
        return
    server = _open(settings, Status(health, stuck))
    held.callback(server.server_close)
    held.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    log.info("/metrics, /healthz and /readyz are at port %d of %s", settings.metrics_port, settings.host)


class _Server(ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def _open(settings: Settings, status: Status) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS

        def do_GET(self) -> None:
            code, media_type, body = status.respond(self.path)
            self.send_response(code)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing: every few seconds there is a request."""

    class Server(_Server):
        address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET

    try:
        return Server((settings.host, settings.metrics_port), Handler)
    except OSError as error:
        hint = f"cannot listen on {settings.host} port {settings.metrics_port}: {error.strerror}"
        raise ConfigurationError(variable="METRICS_PORT", hint=hint) from error
