"""`demixer run`, `web` and `consume`: the processes of the service."""

import logging
import signal
import sys
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import click

from demixer import parent, premises, supervisor
from demixer.audio.separation import beforehand, models
from demixer.house import open_house
from demixer.settings import Settings, load

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run() -> None:
    """Until Ctrl-C or SIGTERM. What is wrong with the settings is said before anything starts."""
    settings = load()
    with premises.occupied(settings):
        _look_over(settings)
        running = supervisor.supervisor_of(settings, click.echo, lambda: _warn_beside(settings))
        _on_signals(running.stop)
        running.run()


def web(started_by: int | None) -> None:
    _begin(started_by)
    settings = load()
    if started_by is None:  # `demixer run` has looked, and after a kill the port may be let go of a moment late
        premises.check_port(settings)
    from web.server import run

    run(settings)


def consume(names: Sequence[str], started_by: int | None) -> int:
    """Returns the exit code."""
    _begin(started_by)
    from consumers import process, registry

    for name in names:
        if name not in registry.NAMES:
            raise click.BadParameter(f"{name!r} is no consumer; there are {', '.join(registry.NAMES)}")
    with closing(open_house(load())) as house, ExitStack() as held:
        running = process.consumers_of(house, names, held)
        _on_signals(running.stop)
        return running.run()


def _begin(started_by: int | None) -> None:
    if started_by is not None:
        parent.die_with(started_by)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _look_over(settings: Settings) -> None:
    """Engines, device and the model's name, once, so that five processes need not fail one after the other."""
    open_house(settings).close()
    if settings.model != models.AUTO:
        models.resolve(settings)
    beforehand.check_device(settings.device)


def _warn_beside(settings: Settings) -> None:
    """In its own thread, since the hub may take seconds to not answer."""

    def warn() -> None:
        if warning := beforehand.model_warning(settings):
            click.echo(warning)

    threading.Thread(target=warn, name="model-warning", daemon=True).start()


def _on_signals(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: types.FrameType | None) -> None:
        stop()

    for number in SIGNALS:
        signal.signal(number, handle)
