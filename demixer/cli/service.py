"""`demixer run`, `web` and `consume`: the processes of the service."""

import logging
import signal
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import click

from demixer.cli import supervisor
from demixer.runtime import instance_lock, logs, parent_watchdog
from demixer.runtime.settings import Settings, load
from demixer.separation import preflight
from demixer.wiring import open_adapters, services_of

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def run() -> None:
    """Until Ctrl-C or SIGTERM. What is wrong with the settings is said before anything starts."""
    settings = load()
    with instance_lock.occupied(settings):
        _look_over(settings)
        running = supervisor.supervisor_of(settings, click.echo, lambda: _warn_beside(settings, click.echo))
        _on_signals(running.stop)
        running.run()


def web(started_by: int | None) -> None:
    settings = _begin(started_by)
    if started_by is None:  # `demixer run` has looked, and after a kill the port may be let go of a moment late
        instance_lock.check_port(settings)
        instance_lock.check_metrics_ports(settings, 1)
    from web.server import run

    run(settings)


def consume(names: Sequence[str], started_by: int | None) -> int:
    """Returns the exit code."""
    settings = _begin(started_by)
    from consumers import registry

    for name in names:
        if name not in (*registry.NAMES, *registry.ALIASES):
            raise click.BadParameter(f"{name!r} is no consumer; there are {', '.join(registry.NAMES)}")
    if started_by is None:
        _check_what_separates(settings, names)
    with services_of(settings) as services, ExitStack() as held:
        running = registry.consumers_of(services, names, held)
        _on_signals(running.stop)
        return running.run()


def _begin(started_by: int | None) -> Settings:
    if started_by is not None:
        parent_watchdog.die_with(started_by)
    settings = load()
    logs.set_up(settings.log_format)
    return settings


def _look_over(settings: Settings) -> None:
    """Engines, device and the model's name, once, so that five processes need not fail one after the other."""
    open_adapters(settings).close()
    instance_lock.check_metrics_ports(settings, len(supervisor.PROGRAMS))
    preflight.check_installed(settings)
    preflight.check_model(settings)
    preflight.check_device(settings.device)


def _check_what_separates(settings: Settings, names: Sequence[str]) -> None:
    """What `demixer run` looks at for all, each machine of several looks at for itself."""
    if "separate" in names:
        preflight.check_installed(settings)
        preflight.check_model(settings)
        preflight.check_device(settings.device)
        _warn_beside(settings, log.warning)


def _warn_beside(settings: Settings, say: Callable[[str], object]) -> None:
    """In its own thread, since the hub may take seconds to not answer."""

    def warn() -> None:
        if warning := preflight.model_warning(settings):
            say(warning)

    threading.Thread(target=warn, name="model-warning", daemon=True).start()


def _on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: types.FrameType | None) -> None:
        stop()

    for number in SIGNALS:
        signal.signal(number, handle)
