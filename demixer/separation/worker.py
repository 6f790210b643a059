"""Separation in a child process that keeps the model loaded. Loads no torch itself.

A process of its own because a chunk can neither be interrupted nor trusted with memory: the child can be killed, and
what kills it (the system, for want of memory) leaves the consumer alive to say so.
"""

import contextlib
import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demixer.domain.errors import Cancelled, SeparationFailed
from demixer.runtime import logs
from demixer.runtime.settings import Settings
from demixer.separation import protocol, separate
from demixer.separation.pace import Pace
from demixer.separation.process import Process
from demixer.separation.protocol import Message
from demixer.separation.separate import Made

COMMAND = (sys.executable, "-m", "demixer.separation.child")
LOOK_EVERY = 0.5  # seconds between two looks at `should_stop`
STOP_WITHIN = 3.0  # seconds a child gets to stop at its next chunk before it is killed; Ctrl-C must be done in five

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    fraction: float  # 0 to below 1, never less than before
    seconds_left: float | None  # None until it can be told
    model: str  # "" until the model is loaded
    device: str  # for people; "" until then


class SeparationWorker:
    """One child, started with the first job and again after it died. One job at a time; others wait their turn."""

    def __init__(
        self, settings: Settings, *, command: Sequence[str] = COMMAND, stop_within: float = STOP_WITHIN
    ) -> None:
        self._settings = settings
        self._command = command
        self._stop_within = stop_within
        self._one_at_a_time = threading.Lock()
        self._child: Process | None = None
        self._numbers = itertools.count(1)

    def separate(
        self,
        source: Path,
        folder: Path,
        model: str,
        *,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> Made:
        """Blocks until the stems of `source` lie in `folder` (see `separate.separate_file`).

        `on_progress` and `should_stop` are called here, in the caller's thread, about twice a second, also while a
        chunk takes longer. Raises `Cancelled` once `should_stop` said yes, within `STOP_WITHIN` seconds and a moment;
        `SeparationFailed("worker-died")` when the child died, whatever of; else what the child raised. Whatever is
        raised, by the callbacks too, nothing of this job is left in `folder` or running.
        """
        with self._one_at_a_time:
            is_new = not folder.exists()
            job = _Job(self._living(), next(self._numbers), self._stop_within)
            try:
                job.start(self._request(source, folder, model))
                return job.follow(on_progress, should_stop)
            except BaseException:
                job.end()
                separate.discard(folder, remove_folder=is_new)
                raise

    def close(self) -> None:
        """End the child. Not while a job runs in another thread: stop that first."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _request(self, source: Path, folder: Path, model: str) -> dict[str, Any]:
        models_dir = self._settings.models_dir
        return {
            "source": str(source.absolute()),
            "folder": str(folder.absolute()),
            "model": model,
            "models_dir": str(models_dir) if models_dir else None,
            "device": self._settings.device,
            "about": dict(logs.ids()),
        }

    def _living(self) -> Process:
        if self._child is not None and not self._child.alive:
            self.close()
        if self._child is None:
            as_we_log = (protocol.JSON,) if self._settings.log_format == logs.JSON else ()
            self._child = Process((*self._command, *as_we_log))
        return self._child


class _Job:
    """One job of the child, from its request to its end."""

    def __init__(self, child: Process, number: int, stop_within: float) -> None:
        self._child = child
        self._number = number
        self._stop_within = stop_within
        self._ended = False
        self._pace = Pace(time.monotonic())
        self._model = self._device = ""

    def start(self, request: dict[str, Any]) -> None:
        self._folder = Path(request["folder"])
        self._child.send({"type": "separate", "job": self._number, **request})

    def follow(self, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> Made:
        while True:
            for message in self._mine(within=LOOK_EVERY):
                if made := self._take(message):
                    return made
            if should_stop():
                raise Cancelled
            on_progress(self._progress())

    def end(self) -> None:
        """See to it that the child no longer works on this job, by asking first."""
        if self._ended or not self._child.alive:
            return
        with contextlib.suppress(SeparationFailed):
            self._child.send({"type": "stop", "job": self._number})
            self._wait_for_the_end()
        if not self._ended:
            log.warning("the separation did not stop by itself and is killed")
            self._child.kill()

    def _wait_for_the_end(self) -> None:
        for message in self._mine(within=self._stop_within):
            if message["type"] in ("done", "failed"):
                self._ended = True
                self._remove(protocol.made(message["made"]) if message["type"] == "done" else None)
                return

    def _remove(self, made: Made | None) -> None:
        """It was quicker than the stop."""
        for stem in made.stems if made else ():
            for path in self._folder.glob(f"{stem.name}.*"):
                path.unlink()

    def _mine(self, within: float) -> Iterator[Message]:
        return (message for message in self._child.messages(within) if message["job"] == self._number)

    def _take(self, message: Message) -> Made | None:
        if message["type"] == "loaded":
            self._model, self._device = message["model"], message["device"]
        elif message["type"] == "progress":
            self._pace.reached(message["fraction"], time.monotonic())
        elif message["type"] == "failed":
            self._ended = True
            raise protocol.error(message)
        elif message["type"] == "done":
            self._ended = True
            return protocol.made(message["made"])
        return None

    def _progress(self) -> Progress:
        now = time.monotonic()
        return Progress(self._pace.fraction(now), self._pace.seconds_left(now), self._model, self._device)
