"""`demixer run`: the web server and all consumers as child processes; one that dies is started again.

The supervisor keeps nothing and knows nothing of the work: whatever is killed, itself too, the others take up where
the log says. Each child writes to a log file of its own; only what a person must know is said aloud.
"""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from demixer.runtime.instance_lock import address
from demixer.runtime.settings import MEGABYTE, Settings

PROGRAMS: Mapping[str, Sequence[str]] = {
    "web": ("web",),
    "fingerprint": ("consume", "fingerprint"),
    "match": ("consume", "match"),
    "separate": ("consume", "separate"),
    "index": ("consume", "index", "maintenance"),
}
NAMES = "names"  # a consumer that runs beside `index`, where there is somebody to ask
STEADY_SECONDS = 5.0  # who lived that long is started again at once
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds before who died young is, doubled each time
BREAKER, BREAKER_WAIT = (
    3,
    300.0,
)  # exit code of a consumer that gave up on itself (`consumers.framework.process`), seconds
STOP_SECONDS = 3.6  # between asking to stop and killing: all is over within 5, on a busy machine too
LOOK_SECONDS = 0.1
LOG_BYTES = 10 * MEGABYTE  # of one log file; the one before it is kept
ROOM_SECONDS = 60.0  # between two looks how large they are


class Child:
    """One program: running, or waiting for its next start."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        """`environ`: what is different for this one."""
        self.name, self.log = name, log
        self._command, self._environ = command, {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._deaths = 0  # young, in a row
        self.due = 0.0  # when to start it

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, now: float) -> None:
        """In a session of its own, so that Ctrl-C reaches only the supervisor, who stops all in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
        self._started = now

    def ended(self, now: float) -> int | None:
        """The exit code if it has just ended by itself; then it is `due` again."""
        code = self._process.poll() if self._process else None
        if code is not None:
            self._process = None
            self._deaths = 0 if now - self._started >= STEADY_SECONDS else self._deaths + 1
            self.due = now + _wait_after(code, self._deaths)
        return code

    def ask_to_stop(self) -> None:
        if self._process:
            self._process.terminate()

    def has_stopped(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """With everything in its session."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass(frozen=True, slots=True)
class Clock:
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = time.sleep


class Supervisor:
    """`say` gets the lines for people, `answers` tells whether the web server does; `opened` is called once it did.

    `stop` only sets a flag.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        say: Callable[[str], None],
        open_at: str,
        answers: Callable[[], bool],
        opened: Callable[[], object] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._children, self._say = children, say
        self._open_at, self._answers, self._opened = open_at, answers, opened
        self._clock = clock or Clock()
        self._announced = self._stopping = False
        self._room_due = 0.0

    def run(self) -> None:
        try:
            while not self._stopping:
                self._run_once()
                self._clock.wait(LOOK_SECONDS)
        finally:
            self._stop_all()

    def stop(self) -> None:
        self._stopping = True

    def _run_once(self) -> None:
        now = self._clock.now()
        self._make_room(now)
        for child in self._children:
            self._bury(child, now)
            if not child.running and child.due <= now:
                child.start(now)
        if not self._announced and self._answers():
            self._announced = True
            self._say(f"Isolaatti Demixer is open at {self._open_at} (Ctrl-C stops it)")
            self._opened()

    def _make_room(self, now: float) -> None:
        if self._room_due <= now:
            self._room_due = now + ROOM_SECONDS
            for child in self._children:
                _make_room(child.log)

    def _bury(self, child: Child, now: float) -> None:
        code = child.ended(now)
        if code is not None:
            when = f"in {child.due - now:.0f} s" if child.due - now >= 1 else "now"
            self._say(f"{child.name} stopped unexpectedly ({_how(code)}); starting it again {when}. See {child.log}")

    def _stop_all(self) -> None:
        deadline = self._clock.now() + STOP_SECONDS
        for child in self._children:
            child.ask_to_stop()
        while self._clock.now() < deadline and not all(child.has_stopped() for child in self._children):
            self._clock.wait(LOOK_SECONDS)
        for child in self._children:
            child.kill()


def supervisor_of(settings: Settings, say: Callable[[str], None], opened: Callable[[], object]) -> Supervisor:
    logs = settings.data_dir / "logs"
    logs.mkdir(exist_ok=True)
    children = [
        Child(name, _command(arguments_of(name, settings)), logs / f"{name}.log", _environ(name, settings))
        for name in PROGRAMS
    ]
    url = address(settings)
    return Supervisor(children, say=say, open_at=url, answers=lambda: web_answers(url), opened=opened)


def arguments_of(name: str, settings: Settings) -> Sequence[str]:
    """How the program is called."""
    beside = [NAMES] if name == "index" and settings.acoustid_api_key else []
    return [*PROGRAMS[name], *beside]


def web_answers(url: str) -> bool:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "demixer.cli.main", *arguments, "--parent", str(os.getpid())]


def _environ(name: str, settings: Settings) -> Mapping[str, str]:
    """Processes on one machine cannot share METRICS_PORT: they get it and those after it, in turn."""
    port = settings.metrics_port and settings.metrics_port + list(PROGRAMS).index(name)
    return {"METRICS_PORT": str(port)}


def _wait_after(code: int, deaths: int) -> float:
    if code == BREAKER:
        return BREAKER_WAIT
    return float(min(FIRST_WAIT * 2 ** (deaths - 1), LONGEST_WAIT)) if deaths else 0.0


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _make_room(log: Path) -> None:
    """Who writes to it keeps it open, and appends: emptied, it begins anew. A line written just now may be lost."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
