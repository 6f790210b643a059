"""How `demixer web` serves: gunicorn with threads, since every live page holds one."""

import os
import shutil
import types
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.workers.gthread import ThreadWorker

from demixer.runtime.settings import Settings
from demixer.wiring import Services, open_services
from web.app import close, create_app
from web.live.broadcaster import Broadcaster

STOP_SECONDS = 3  # for requests under way when the server is stopped
IDLE_SECONDS = 60  # without a byte from or to a client in the middle of its request: phones lose their connection
KEEPALIVE_SECONDS = 15
WAITING_CONNECTIONS = 1000  # open ones beyond those being served


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn publishes no types
    """Live pages would keep a stopping worker busy until it is killed, so they are ended first.

    Ctrl-C reaches a worker twice, from the terminal and from its parent. The second signal may come while the first is
    being handled, in the same thread, which would then wait for locks that it holds itself: so it is ignored.
    """

    ending = quitting = False

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        self._end_live_pages()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: types.FrameType | None) -> None:
        if not self.quitting:
            self.quitting = True
            self._end_live_pages()
            super().handle_quit(sig, frame)

    def _end_live_pages(self) -> None:
        if self.ending:
            return
        self.ending = True
        app = getattr(self, "wsgi", None)  # not there yet while the application loads
        if isinstance(app, Flask):
            broadcaster: Broadcaster = app.extensions["live"]
            broadcaster.stop()


class Log(Logger):  # type: ignore[misc]
    """Sends the log lines of gunicorn through the log of the application."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]
    """Each worker opens the services for itself, after the fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: Services | None = None
        super().__init__()

    def load_config(self) -> None:
        for name, value in options(self._settings).items():
            if name in self.cfg.settings:  # the oldest gunicorn that is allowed does not know all
                self.cfg.set(name, value)
        self.cfg.set("pre_request", _set_idle_timeout)
        self.cfg.set("worker_exit", self._close)
        self.cfg.set("child_exit", _forget_worker)

    def load(self) -> Flask:
        self._services = open_services(self._settings)
        return create_app(self._services)

    def _close(self, arbiter: object, worker: ThreadWorker) -> None:
        app = getattr(worker, "wsgi", None)
        if isinstance(app, Flask):
            close(app)
        if self._services is not None:
            self._services.close()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Exits the process."""
    _share_metrics(settings)
    Server(settings).run()


def options(settings: Settings) -> dict[str, Any]:
    """The settings of gunicorn that differ from its own."""
    return {
        "bind": [_address(settings.host, port) for port in (settings.port, settings.metrics_port) if port],
        "worker_class": Worker,
        "workers": settings.web_workers,
        "threads": settings.web_threads,
        "worker_connections": settings.web_threads + WAITING_CONNECTIONS,
        "graceful_timeout": STOP_SECONDS,
        "keepalive": KEEPALIVE_SECONDS,
        "logger_class": Log,
        "loglevel": "warning",
        "proc_name": "demixer web",
        "control_socket_disable": True,
        "forwarded_allow_ips": "*" if settings.https else "127.0.0.1,::1",
    }


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _share_metrics(settings: Settings) -> None:
    """Workers count into files of one folder (see `web.http.metrics`), empty at every start. Each port has its own."""
    folder = settings.data_dir / "metrics" / f"web-{settings.port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _forget_worker(arbiter: object, worker: ThreadWorker) -> None:
    """Called in the arbiter, which counts nothing itself, when a worker has ended."""
    from web.http import metrics

    metrics.forget(worker.pid)


def _set_idle_timeout(worker: ThreadWorker, request: Request) -> None:
    """A client that sends nothing must not keep its thread. The `timeout` of gunicorn is about workers, not clients."""
    request.unreader.sock.settimeout(IDLE_SECONDS)
