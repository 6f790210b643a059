"""`demixer separate`: the main job alone, with a progress bar."""

import contextlib
import os
import signal
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from demixer.domain import require
from demixer.domain.formats import STORED_FORMATS
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.runtime.settings import Settings, load
from demixer.separation import models, preflight, protocol, worker
from demixer.separation.separate import Made
from demixer.separation.worker import Progress, SeparationWorker

STEPS = 1000  # of the progress bar


def separate(song: Path, out: Path, model: str | None, device: str | None) -> None:
    """Raises what reading and separating raise. Whatever happens, an unfinished file is left nowhere."""
    with _settings(model, device) as settings, _stoppable(), _unfinished_in(out) as unfinished:
        preflight.check_installed(settings)
        choice = models.resolve(settings)
        _read(song, settings)
        made = _separated(settings, song, unfinished, choice.name)
        names = [f"{stem.name}.{kind}" for stem in made.stems for kind in STORED_FORMATS]
        for name in names:
            os.replace(unfinished / name, out / name)
    for name in names:
        click.echo(str(out / name))
    click.echo(f"Made by {made.model} on {made.device}. {_advice(choice)}".rstrip(), err=True)


def _read(song: Path, settings: Settings) -> None:
    require(song.stat().st_size > 0, "empty-file")
    click.echo(f"Reading {click.format_filename(song.name)}", err=True)
    decode_and_fingerprint(song, max_minutes=settings.max_minutes)


def _separated(settings: Settings, song: Path, folder: Path, model: str) -> Made:
    at_work = SeparationWorker(settings, command=_command())
    try:
        with click.progressbar(
            length=STEPS, label=f"Separating with {model}", file=sys.stderr, show_eta=False, item_show_func=_time_left
        ) as bar:

            def show(progress: Progress) -> None:
                left = None if progress.seconds_left is None else round(progress.seconds_left)
                bar.update(max(0, int(progress.fraction * STEPS) - bar.pos), left)

            made = at_work.separate(song, folder, model, on_progress=show, should_stop=lambda: False)
            bar.update(STEPS - bar.pos, 0)
        return made
    finally:
        at_work.close()


def _command() -> tuple[str, ...]:
    debug = click.get_current_context().find_root().params.get("debug")
    return worker.COMMAND if debug else (*worker.COMMAND, protocol.TERSE)


def _time_left(seconds: int | None) -> str | None:
    """What the worker expects, which knows more than the speed of the bar."""
    return f"{seconds // 60}:{seconds % 60:02} left" if seconds else None


@contextmanager
def _unfinished_in(out: Path) -> Iterator[Path]:
    """A folder within `out` for what is not ready to be seen. On failure nothing is left, nor any folder made for it.

    Raises `click.ClickException` before any work when nothing can be written there.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with _writable(out) as unfinished:
            yield unfinished
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _writable(out: Path) -> Iterator[Path]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = tempfile.TemporaryDirectory(prefix=".demixer-", dir=out)
    except OSError as error:
        raise click.ClickException(f"Nothing can be written to {out} (--out): {error.strerror}.") from error
    with unfinished as name:
        yield Path(name)


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
