"""`demixer separate`: the main job alone, with a progress bar."""

import os
import signal
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from demixer.audio.examine import examine
from demixer.audio.separation import models
from demixer.audio.separation.separate import Made
from demixer.audio.separation.worker import Progress, SeparationWorker
from demixer.settings import Settings, load

STEPS = 1000  # of the progress bar


def separate(song: Path, out: Path, model: str | None, device: str | None) -> None:
    """Raises what reading and separating raise. Whatever happens, an unfinished file is left nowhere."""
    with _settings(model, device) as settings, _stoppable():
        choice = models.resolve(settings)
        click.echo(f"Reading {click.format_filename(song.name)}", err=True)
        examine(song, max_minutes=settings.max_minutes)
        made = _separated(settings, song, out, choice.name)
    for stem in made.stems:
        click.echo(str(out / f"{stem.name}.flac"))
        click.echo(str(out / f"{stem.name}.mp3"))
    click.echo(f"Made by {made.model} on {made.device}. {_advice(choice)}".rstrip(), err=True)


def _separated(settings: Settings, song: Path, out: Path, model: str) -> Made:
    worker = SeparationWorker(settings)
    try:
        with click.progressbar(length=STEPS, label=f"Separating with {model}", file=sys.stderr) as bar:

            def show(progress: Progress) -> None:
                bar.update(max(0, int(progress.fraction * STEPS) - bar.pos))

            made = worker.separate(song, out, model, on_progress=show, should_stop=lambda: False)
            bar.update(STEPS - bar.pos)
        return made
    finally:
        worker.close()


@contextmanager
def _settings(model: str | None, device: str | None) -> Iterator[Settings]:
    """As the service reads them, but with no folder of its own: there is nothing to keep."""
    asked = {name: value for name, value in (("MODEL", model), ("DEVICE", device)) if value}
    with tempfile.TemporaryDirectory(prefix="demixer-") as scratch:
        yield load({**os.environ, **asked, "DATA_DIR": scratch})


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends it like Ctrl-C does: in order."""

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _advice(choice: models.ModelChoice) -> str:
    if not choice.four_stems_need:
        return ""
    return f"{choice.four_stems_need} makes four stems: “demixer check” says how to get it."
