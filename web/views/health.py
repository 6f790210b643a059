"""What machines ask: whether this process lives, whether it can do its work, and its numbers.

The last two are for the machines around us: at METRICS_PORT, which nobody else reaches, and at PORT for this machine
alone. Addresses tell no more than that: behind Docker's own proxy every visitor has a private one. Whoever comes
through a proxy finds nothing at all.
"""

from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue

from demixer.domain.errors import NotFound
from demixer.services.health import Health
from web.http.context import services
from web.http.instrumentation import metrics

NEEDED = ("catalogue", "accounts", "files")  # without search the catalogue's is left; events wait in the outbox
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")  # what proxies add

blueprint = Blueprint("health", __name__)


def set_up(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.before_request(_keep_others_out)


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    """No engine is asked: starting this process again would mend none."""
    return "ok", {"Content-Type": "text/plain", "Cache-Control": "no-store"}


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    _require_a_neighbour()
    health: Health = current_app.extensions["health"]
    report = health.report()
    return report.body(), 200 if report.ready else 503, {"Cache-Control": "no-store"}


@blueprint.get("/metrics")
def numbers() -> ResponseReturnValue:
    _require_a_neighbour()
    return metrics().exposition(), {"Content-Type": metrics().content_type, "Cache-Control": "no-store"}


def _keep_others_out() -> None:
    """At METRICS_PORT there is nothing else."""
    if _at_own_port() and request.blueprint != blueprint.name:
        raise NotFound


def _require_a_neighbour() -> None:
    """Raises `NotFound`."""
    forwarded = any(name in request.headers for name in FORWARDED)
    if forwarded or not (_at_own_port() or _is_loopback(request.remote_addr or "")):
        raise NotFound


def _at_own_port() -> bool:
    """By the socket that it came in by, which is what SERVER_PORT says before a proxy is believed."""
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
