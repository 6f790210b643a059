"""`separate`: the long work. The stems of a song, made by a worker process that keeps the model loaded."""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
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
from demixer.ports import Files, Separations
from demixer.recognition import reference
from demixer.runtime import logs
from demixer.separation.separate import Made
from demixer.separation.worker import Progress
from demixer.services.matching import Matching
from demixer.services.separations import SeparationQueue
from schemas.events import SeparationRequested

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
    separations: Separations,
    queue: SeparationQueue,
    matching: Matching,
    files: Files,
    worker: Worker,
    temporary: Path,
    now: Callable[[], datetime],
    *,
    on_close: Callable[[], object] = lambda: None,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Consumer:
    """`temporary`: a folder of this consumer's for the stems that are being made. `wait` and `clock`, in seconds, are
    for
    tests."""
    clear(temporary)
    run = SeparationRun(queue, matching, files, worker, temporary, now)

    def handle(event: Event, context: Context) -> None:
        data = event.data
        assert isinstance(data, SeparationRequested), "the only type of this topic"
        if separation_leases.is_at_work_elsewhere(separations, context, data.separation_id, wait):
            return
        begun = queue.begin(data.separation_id, data.attempt, "", context.member)
        if begun is not None:
            run.separate(context, *begun)

    def give_up(event: Event, failure: Failure, context: Context) -> None:
        data = event.data
        assert isinstance(data, SeparationRequested), "the only type of this topic"
        queue.give_up(data.separation_id, data.attempt, failure)
        matching.resume_waiting(data.song_id)

    def close() -> None:
        on_close()
        worker.close()

    return Consumer(
        name="separate",
        topics=("separations",),
        handle=handle,
        give_up=give_up,
        at_once=1,
        retries=RETRIES,
        help_out=separation_leases.Helper(separations, queue, run.separate, clock),
        close=close,
    )


def clear(temporary: Path) -> None:
    """Remove what processes that are gone have left, and nothing of those that live."""
    for folder in temporary.glob("separate-*-*"):
        pid = folder.name.split("-")[1]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


class SeparationRun:
    """One separation from its file to stored stems, or to a failure with a reason."""

    def __init__(
        self,
        queue: SeparationQueue,
        matching: Matching,
        files: Files,
        worker: Worker,
        temporary: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._queue, self._matching, self._files = queue, matching, files
        self._worker, self._temporary, self._now = worker, temporary, now

    def separate(self, context: Context, separation: Separation, song: Song) -> None:
        """Raises `Stopped`, and `Transient` where trying again may help. The song's audio key is named after the
        upload that brought it."""
        with logs.about(song=song.id, separation=separation.id, upload=song.audio_key.rpartition("/")[2]):
            self._separate_or_fail(context, separation, song)
            self._matching.resume_waiting(song.id)

    def _separate_or_fail(self, context: Context, separation: Separation, song: Song) -> None:
        queue, began = self._queue, time.monotonic()
        try:
            with _folder(self._temporary) as folder:
                made = self._made(context, folder, separation, song)
                queue.finish(separation, folder, made.stems, made.gain)
            seconds = time.monotonic() - began
            log.info("separated by %s on %s in %.1f s", made.model, made.device, seconds)
            metrics.separated(made.model, made.device, seconds=seconds, audio=song.duration)
        except Cancelled as error:
            if context.stopping():
                self._release(separation)
                raise Stopped from error
        except StorageFull as error:
            queue.fail(separation, failure_of(error))  # room is made by people, who can try again then
        except Transient:
            self._release(separation)
            raise
        except SeparationFailed as error:
            if error.code == "worker-died":
                self._release(separation)
                raise Transient(error.code, **error.params) from error
            queue.fail(separation, failure_of(error))
        except (ModelUnavailable, ConfigurationError, Refused) as error:
            queue.fail(separation, failure_of(error))
        except NotFound:
            queue.fail(separation, Failure("file-gone"))

    def _release(self, separation: Separation) -> None:
        """Where the catalogue is busy just now, the maintenance consumer does it a little later."""
        with suppress(Transient):
            self._queue.release(separation)

    def _made(self, context: Context, folder: Path, separation: Separation, song: Song) -> Made:
        progress = ProgressReporter(self._queue, context, separation, self._now)
        with self._files.local(song.audio_key) as source:
            made = self._worker.separate(
                source, folder, separation.model, on_progress=progress.report, should_stop=progress.should_stop
            )
            with suppress(Refused, Transient):  # then it is made when it is first wanted
                reference.write(source, folder, [stem.name for stem in made.stems])
            return made


class ProgressReporter:
    """Between the worker, who asks twice a second, and the catalogue, which need not hear all of it.

    A catalogue that is busy just now is asked again a second later: no reason to stop a long work.
    """

    def __init__(
        self, queue: SeparationQueue, context: Context, separation: Separation, now: Callable[[], datetime]
    ) -> None:
        self._queue, self._context, self._separation, self._now = queue, context, separation, now
        self._reported = self._looked = 0.0

    def report(self, progress: Progress) -> None:
        """Raises `Cancelled` when the separation is no longer wanted."""
        if not self._is_due(self._reported, REPORT_SECONDS):
            return
        self._reported = self._now().timestamp()
        with suppress(Transient):
            self._queue.report_progress(
                self._separation.id,
                self._separation.attempt,
                progress=round(progress.fraction, 4),
                seconds_left=progress.seconds_left,
                device=progress.device,
            )

    def should_stop(self) -> bool:
        if self._context.stopping():
            return True
        if not self._is_due(self._looked, LOOK_SECONDS):
            return False
        self._looked = self._now().timestamp()
        with suppress(Transient):
            return not self._queue.is_wanted(self._separation.id, self._separation.attempt)
        return False

    def _is_due(self, last: float, seconds: float) -> bool:
        return abs(self._now().timestamp() - last) >= seconds  # a clock that was set back must not silence us


@contextmanager
def _folder(temporary: Path) -> Iterator[Path]:
    """Named after this process, so that the next one knows whose it was."""
    temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"separate-{os.getpid()}-", dir=temporary) as name:
        yield Path(name)
