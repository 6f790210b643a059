"""`/healthz`, `/readyz` and `/metrics`: whether this process lives, whether it can do its work, and what it counts.

The last two are answered at METRICS_PORT, which only machines of the operator reach, and at PORT to this machine alone.
No other address is trusted: behind Docker's proxy every visitor has a private one. A request that came through a proxy
is answered with 404.
"""

from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue

import demixer
from demixer.domain.errors import NotFound
from demixer.services.health import Health
from web.http import instrumentation
from web.http.context import services, wants_json

NEEDED = ("catalogue", "accounts", "files")  # search falls back on the catalogue; events wait in the outbox
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")  # what proxies add

blueprint = Blueprint("health", __name__)


def set_up(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.before_request(_restrict_metrics_port)


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    """`ok`, or JSON with the version where `Accept` asks for it. No engine is asked: a restart would mend none."""
    if wants_json():
        return {"status": "ok", "version": demixer.__version__}, {"Cache-Control": "no-store"}
    return "ok", {"Content-Type": "text/plain", "Cache-Control": "no-store"}


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    _require_operator()
    health: Health = current_app.extensions["health"]
    report = health.report()
    return report.body(), 200 if report.ready else 503, {"Cache-Control": "no-store"}


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    _require_operator()
    counted = instrumentation.metrics()
    return counted.exposition(), {"Content-Type": counted.content_type, "Cache-Control": "no-store"}


def _restrict_metrics_port() -> None:
    """At METRICS_PORT there is nothing else."""
    if _at_metrics_port() and request.blueprint != blueprint.name:
        raise NotFound


def _require_operator() -> None:
    """Raises `NotFound`."""
    forwarded = any(name in request.headers for name in FORWARDED)
    if forwarded or not (_at_metrics_port() or _is_loopback(request.remote_addr or "")):
        raise NotFound


def _at_metrics_port() -> bool:
    """By the socket that the request came in by: SERVER_PORT before `ProxyFix` has changed it."""
    before = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
    port: str = before["SERVER_PORT"]
    return port == str(services().settings.metrics_port)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
