"""The worker's side of `protocol`: `python -m demixer.separation.child`. Keeps the last model loaded.

It logs to standard error as the service does, with `--json` as JSON. With `--terse` an error nobody foresaw is one
line, for a person at a terminal.
"""

import contextlib
import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from demixer.domain.errors import DemixerError, SeparationFailed
from demixer.runtime import logs
from demixer.separation import device, loading, memory, models, protocol
from demixer.separation.engine import Engine
from demixer.separation.protocol import Message
from demixer.separation.separate import Made, separate_file

ORPHAN_GRACE = 3.0  # seconds to clean up in once the parent is gone
REPORT_EVERY = 0.2  # seconds between two reports at least: a GPU makes hundreds of chunks a second

log = logging.getLogger(__name__)


class Child:
    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source = source
        self._sink = sink
        self._jobs: queue.Queue[Message | None] = queue.Queue()
        self._stopped: int | None = None
        self._orphaned = False
        self._loaded: tuple[tuple[str, str | None, str], Engine] | None = None

    def run(self) -> None:
        """Do one job after the other until the input ends."""
        threading.Thread(target=self._listen, daemon=True).start()
        while (job := self._jobs.get()) is not None:
            self._do(job)

    def _listen(self) -> None:
        for line in self._source:
            self._hear(json.loads(line))
        self._orphaned = True
        self._jobs.put(None)
        time.sleep(ORPHAN_GRACE)
        os._exit(1)  # the main thread is deep in a long chunk, for nobody

    def _hear(self, message: Message) -> None:
        if message["type"] == "stop":
            self._stopped = message["job"]
        else:
            self._jobs.put(message)

    def _do(self, job: Message) -> None:
        logs.begin(**job.get("about", {}))
        try:
            made = self._separate(job)
            self._say("done", job, made=protocol.of_made(made))
        except DemixerError as error:
            self._say("failed", job, **protocol.of_error(error))
        except MemoryError:
            failed = SeparationFailed("out-of-memory", device=device.name_of("cpu"))
            self._say("failed", job, **protocol.of_error(failed))
        except Exception:
            log.exception("the separation failed")
            self._say("failed", job, **protocol.of_error(SeparationFailed()))
        finally:
            memory.release()

    def _separate(self, job: Message) -> Made:
        engine = self._engine(job)
        self._say("loaded", job, model=engine.choice.name, device=engine.device.name)
        return separate_file(
            Path(job["source"]),
            Path(job["folder"]),
            engine,
            report=self._reporter(job),
            cancelled=lambda: self._orphaned or self._stopped == job["job"],
        )

    def _engine(self, job: Message) -> Engine:
        wanted = (job["model"], job["models_dir"], job["device"])
        if self._loaded is None or self._loaded[0] != wanted:
            self._unload()
            models_dir = Path(job["models_dir"]) if job["models_dir"] else None
            choice = models.choice_of(job["model"], models_dir)
            self._loaded = wanted, loading.load(choice, device.choose(job["device"]), models_dir)
        return self._loaded[1]

    def _unload(self) -> None:
        """Two models at once may not fit the device."""
        if self._loaded is not None:
            held_by = self._loaded[1].device
            self._loaded = None
            gc.collect()
            device.empty_cache(held_by)

    def _reporter(self, job: Message) -> Callable[[float], None]:
        last = -REPORT_EVERY

        def report(fraction: float) -> None:
            nonlocal last
            if time.monotonic() - last >= REPORT_EVERY:
                last = time.monotonic()
                self._say("progress", job, fraction=fraction)

        return report

    def _say(self, what: str, job: Message, **fields: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody is left to hear it, and the input will end at once
            self._sink.write(json.dumps({"type": what, "job": job["job"], **fields}, default=str) + "\n")
            self._sink.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then says what to do
    _set_up_log(sys.argv)
    Child(sys.stdin, _own_output()).run()


class _Terse(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        return "".join(traceback.format_exception_only(ei[1])).strip()


def _set_up_log(arguments: Sequence[str]) -> None:
    logs.set_up(logs.JSON if protocol.JSON in arguments else logs.TEXT, level=logging.WARNING)
    logging.getLogger("demixer").setLevel(logging.INFO)
    if protocol.TERSE in arguments:
        logging.getLogger().handlers[0].setFormatter(_Terse("%(name)s: %(message)s"))


def _own_output() -> TextIO:
    """Standard output for the protocol alone; whatever a library prints goes to standard error."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "w", encoding="utf-8")


if __name__ == "__main__":
    main()
