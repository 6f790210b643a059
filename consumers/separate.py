"""`separate`: the long work. The stems of a song, made by a worker process that keeps the model loaded."""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

from consumers import separation_leases
from consumers.framework import metrics
from consumers.framework.consumer import Consumer, Context, Stopped, failure_of
from demixer.domain import Event, Failure, Separation, Song
from demixer.domain.errors import (
    Cancelled,
    ConfigurationError,
    ModelUnavailable,
    NotFound,
    Refused,
    SeparationFailed,
    StorageFull,
    Transient,
)
from demixer.recognition import reference
from demixer.runtime import logs
from demixer.separation.separate import Made
from demixer.separation.worker import Progress, SeparationWorker
from demixer.services import matching, separations
from demixer.wiring import House

RETRIES = 5  # of a worker that died: it may have been the song, or the rest of the machine
REPORT_SECONDS = 1.0  # between two reports of progress
LOOK_SECONDS = 1.0  # between two looks whether somebody cancelled

log = logging.getLogger(__name__)


class Worker(Protocol):
    """What is used of `demixer.separation.worker.SeparationWorker`."""

    def separate(
        self,
        source: Path,
        folder: Path,
        model: str,
        *,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> Made: ...

    def close(self) -> None: ...


def consumer(
    house: House,
    worker: Worker | None = None,
    *,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Consumer:
    """`wait` and `clock`, in seconds, are for tests."""
    at_work = worker or SeparationWorker(house.settings)
    temporary = house.settings.data_dir / "tmp"
    clear(temporary)

    def handle(event: Event, context: Context) -> None:
        if separation_leases.at_work_elsewhere(context, event.data["separation_id"], wait):
            return
        begun = separations.begin(context.house, event, "", context.member)
        if begun is not None:
            separate(context, *begun)

    def separate(context: Context, separation: Separation, song: Song) -> None:
        _separate(context, at_work, temporary, separation, song)

    return Consumer(
        name="separate",
        topics=("separations",),
        handle=handle,
        give_up=give_up,
        at_once=1,
        retries=RETRIES,
        help_out=separation_leases.Helper(separate, clock),
        close=at_work.close,
    )


def give_up(event: Event, failure: Failure, context: Context) -> None:
    separations.give_up(context.house, event, failure)
    matching.go_on(context.house, event.data["song_id"])


def clear(temporary: Path) -> None:
    """Remove what processes that are gone have left, and nothing of those that live."""
    for folder in temporary.glob("separate-*-*"):
        pid = folder.name.split("-")[1]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _separate(context: Context, worker: Worker, temporary: Path, separation: Separation, song: Song) -> None:
    """`Song.audio` is named after the upload that brought it."""
    with logs.about(song=song.id, separation=separation.id, upload=song.audio_key.rpartition("/")[2]):
        _separate_or_say_why(context, worker, temporary, separation, song)
        matching.go_on(context.house, song.id)


def _separate_or_say_why(context: Context, worker: Worker, temporary: Path, separation: Separation, song: Song) -> None:
    house, began = context.house, time.monotonic()
    try:
        with _folder(temporary) as folder:
            made = _made(context, worker, folder, separation, song)
            separations.finish(house, separation, folder, made.stems, made.gain)
        _tell(made, song, time.monotonic() - began)
    except Cancelled as error:
        if context.stopping():
            _put_back(house, separation)
            raise Stopped from error
    except StorageFull as error:
        separations.fail(house, separation, failure_of(error))  # room is made by people, who can try again then
    except Transient:
        _put_back(house, separation)
        raise
    except SeparationFailed as error:
        if error.code == "worker-died":
            _put_back(house, separation)
            raise Transient(error.code, **error.params) from error
        separations.fail(house, separation, failure_of(error))
    except (ModelUnavailable, ConfigurationError, Refused) as error:
        separations.fail(house, separation, failure_of(error))
    except NotFound:
        separations.fail(house, separation, Failure("file-gone"))


def _tell(made: Made, song: Song, seconds: float) -> None:
    log.info("separated by %s on %s in %.1f s", made.model, made.device, seconds)
    metrics.separated(made.model, made.device, seconds=seconds, audio=song.duration)


def _put_back(house: House, separation: Separation) -> None:
    """Where the catalogue is busy just now, the sweeper does it a little later."""
    with suppress(Transient):
        separations.put_back(house, separation)


def _made(context: Context, worker: Worker, folder: Path, separation: Separation, song: Song) -> Made:
    watch = _Watch(context, separation)
    with context.house.files.local(song.audio_key) as source:
        made = worker.separate(
            source, folder, separation.model, on_progress=watch.report, should_stop=watch.should_stop
        )
        with suppress(Refused, Transient):  # then it is made when it is first wanted
            reference.write(source, folder, [stem.name for stem in made.stems])
        return made


class _Watch:
    """Between the worker, who asks twice a second, and the catalogue, which need not hear all of it.

    A catalogue that is busy just now is asked again a second later: no reason to stop a long work.
    """

    def __init__(self, context: Context, separation: Separation) -> None:
        self._context, self._separation = context, separation
        self._reported = self._looked = 0.0

    def report(self, progress: Progress) -> None:
        """Raises `Cancelled` when the separation is no longer wanted."""
        if self._due(self._reported, REPORT_SECONDS):
            self._reported = self._now()
            with suppress(Transient):
                self._save(progress)

    def should_stop(self) -> bool:
        if self._context.stopping():
            return True
        if not self._due(self._looked, LOOK_SECONDS):
            return False
        self._looked = self._now()
        with suppress(Transient):
            return not separations.wanted(self._context.house, self._separation.id, self._separation.attempt)
        return False

    def _save(self, progress: Progress) -> None:
        separations.progressed(
            self._context.house,
            self._separation.id,
            self._separation.attempt,
            progress=round(progress.fraction, 4),
            seconds_left=progress.seconds_left,
            device=progress.device,
        )

    def _due(self, last: float, seconds: float) -> bool:
        return abs(self._now() - last) >= seconds  # a clock that was set back must not silence us

    def _now(self) -> float:
        return self._context.house.now().timestamp()


@contextmanager
def _folder(temporary: Path) -> Iterator[Path]:
    """Named after this process, so that the next one knows whose it was."""
    temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"separate-{os.getpid()}-", dir=temporary) as name:
        yield Path(name)
