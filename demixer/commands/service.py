"""`demixer run`, `web` and `consume`: the processes of the service."""

import logging
import signal
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import click

from demixer import logs, parent, premises, supervisor
from demixer.audio.separation import beforehand
from demixer.house import open_house
from demixer.settings import Settings, load

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def run() -> None:
    """Until Ctrl-C or SIGTERM. What is wrong with the settings is said before anything starts."""
    settings = load()
    with premises.occupied(settings):
        _look_over(settings)
        running = supervisor.supervisor_of(settings, click.echo, lambda: _warn_beside(settings, click.echo))
        _on_signals(running.stop)
        running.run()


def web(started_by: int | None) -> None:
    settings = _begin(started_by)
    if started_by is None:  # `demixer run` has looked, and after a kill the port may be let go of a moment late
        premises.check_port(settings)
        premises.check_metrics_ports(settings, 1)
        beforehand.check_model(settings)
    from web.server import run

    run(settings)


def consume(names: Sequence[str], started_by: int | None) -> int:
    """Returns the exit code."""
    settings = _begin(started_by)
    from consumers import process, registry

    for name in names:
        if name not in registry.NAMES:
            raise click.BadParameter(f"{name!r} is no consumer; there are {', '.join(registry.NAMES)}")
    if started_by is None:
        _check_what_separates(settings, names)
    with closing(open_house(settings)) as house, ExitStack() as held:
        running = process.consumers_of(house, names, held)
        _on_signals(running.stop)
        return running.run()


def _begin(started_by: int | None) -> Settings:
    if started_by is not None:
        parent.die_with(started_by)
    settings = load()
    logs.set_up(settings.log_format)
    return settings


def _look_over(settings: Settings) -> None:
    """Engines, device and the model's name, once, so that five processes need not fail one after the other."""
    open_house(settings).close()
    premises.check_metrics_ports(settings, len(supervisor.PROGRAMS))
    beforehand.check_installed(settings)
    beforehand.check_model(settings)
    beforehand.check_device(settings.device)


def _check_what_separates(settings: Settings, names: Sequence[str]) -> None:
    """What `demixer run` looks at for all, each machine of several looks at for itself."""
    if "separate" in names:
        beforehand.check_installed(settings)
        beforehand.check_device(settings.device)
        _warn_beside(settings, log.warning)
    if not {"match", "separate"}.isdisjoint(names):
        beforehand.check_model(settings)


def _warn_beside(settings: Settings, say: Callable[[str], object]) -> None:
    """In its own thread, since the hub may take seconds to not answer."""

    def warn() -> None:
        if warning := beforehand.model_warning(settings):
            say(warning)

    threading.Thread(target=warn, name="model-warning", daemon=True).start()


def _on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: types.FrameType | None) -> None:
        stop()

    for number in SIGNALS:
        signal.signal(number, handle)
