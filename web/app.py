"""The web application, made of open services."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from demixer.wiring import Services
from web.http import assets, errors, instrumentation, security, sessions
from web.http.context import services as open_services
from web.http.rate_limits import LookupLimit, SignInLimit
from web.http.streaming_uploads import StreamingRequest
from web.live.broadcaster import Broadcaster
from web.presentation import language, template_helpers
from web.views import account, api, health, live, pages, stems, uploads

OTHER_THREADS = 16  # of a process, which live pages may not take


def create_app(services: Services) -> Flask:
    """Whoever opened the services closes them, after `close(app)`."""
    from web.http.metrics import WebMetrics  # imported after `web.server` has said where to count

    settings = services.settings
    app = Flask(__name__, static_folder=None)
    app.request_class = StreamingRequest
    app.secret_key = settings.secret_key
    app.extensions.update(services=services, sign_in_limit=SignInLimit(), lookup_limit=LookupLimit())
    app.extensions["health"] = services.health(needed=health.NEEDED)
    metrics = WebMetrics(services, app.extensions["health"])
    app.extensions["live"] = Broadcaster(
        services.events, services.catalogue.uploads, max_live_pages(settings.web_threads), metrics.live_pages.set
    )
    instrumentation.set_up(app, metrics)
    health.set_up(app)
    app.after_request(_flush)
    security.set_up(app, https=settings.https)
    sessions.set_up(app, https=settings.https)
    language.set_up(app)
    errors.set_up(app)
    template_helpers.set_up(app)
    assets.set_up(app)
    for views in (pages, account, uploads, stems, live, api):
        app.register_blueprint(views.blueprint)
    if settings.https:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app


def max_live_pages(threads: int) -> int:
    """How many live pages one process may hold: every open one takes a thread."""
    return max(threads - OTHER_THREADS, threads // 2)


def close(app: Flask) -> None:
    """End all live pages, and the thread that follows the events."""
    broadcaster: Broadcaster = app.extensions["live"]
    broadcaster.close()


def _flush(response: Response) -> Response:
    """Publish what the request has saved. An answer never fails for it."""
    open_services().flush()
    return response
