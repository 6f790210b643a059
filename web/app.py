"""The web application, made of open services."""

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from demixer.wiring import Services
from web.http import assets, errors, instrumentation, security, sessions
from web.http.context import services as open_services
from web.http.rate_limits import Allowance, Throttle
from web.http.streaming_uploads import StreamingRequest
from web.live.broadcaster import Hub
from web.presentation import language, template_helpers
from web.views import account, api, health, live, pages, stems, uploads

if TYPE_CHECKING:
    from web.http.metrics import WebMetrics

LOOKUPS_AT_ONCE = 60  # of a person: an album or two
LOOKUP_EACH = timedelta(seconds=1)  # about as long as a browser takes to make one more fingerprint
OTHER_THREADS = 16  # of a process, which live pages may not take


def create_app(services: Services) -> Flask:
    """The services stay their opener's to close, after `close(app)`."""
    settings = services.settings
    app = Flask(__name__, static_folder=None)
    app.request_class = StreamingRequest
    app.secret_key = settings.secret_key
    app.extensions.update(services=services, throttle=Throttle())
    app.extensions["lookups"] = Allowance(LOOKUPS_AT_ONCE, LOOKUP_EACH)
    metrics = _watched(app, services)
    app.extensions["live"] = Hub(
        services.events, services.catalogue.uploads, limit=listeners(settings.web_threads), count=metrics.live_pages.set
    )
    health.set_up(app)
    app.after_request(_flush)
    security.set_up(app, https=settings.https)
    sessions.set_up(app, https=settings.https)
    language.set_up(app)
    errors.set_up(app)
    template_helpers.set_up(app)
    assets.set_up(app)
    for room in (pages, account, uploads, stems, live, api):
        app.register_blueprint(room.blueprint)
    if settings.https:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def _flush(response: Response) -> Response:
    """What the request saved is published by the process that saved it. An answer never fails for it."""
    open_services().flush()
    return response


def _watched(app: Flask, services: Services) -> "WebMetrics":
    from web.http.metrics import WebMetrics  # not before `web.server` has said where to count

    asked = app.extensions["health"] = services.health(needed=health.NEEDED)
    metrics = WebMetrics(services, asked)
    instrumentation.set_up(app, metrics)
    return metrics


def listeners(threads: int) -> int:
    """How many live pages one process may hold: every open one takes a thread."""
    return max(threads - OTHER_THREADS, threads // 2)


def close(app: Flask) -> None:
    """End all live pages, and what works in the background."""
    hub: Hub = app.extensions["live"]
    hub.close()
