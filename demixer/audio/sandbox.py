"""Runs the child processes that read untrusted audio: ffmpeg and the tag reader, with limits.

A file that a person sent is opened here and passed as the child's standard input; the child never sees its name.

Limits are set by `ulimit` in a one-line shell that then becomes the child. Unlike `preexec_fn` that is safe with
threads, and unlike `prlimit` they hold from the start. The child leads a process group, which is killed with it.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from demixer.domain.errors import Refused, Transient

SIDE = "pipe:side"  # an argument that becomes a second pipe to us; see `Outcome.side`

_PIPE = 1 << 20  # bytes asked for or offered at a time
_LOG = 64 * 1024  # bytes of standard error that are kept: the first half and the last quarter
_SIDE = 4 << 20  # bytes kept of the side pipe: a fingerprint has 1,920 a minute
# The soft limit of processor time first: a hard one below it is refused. A limit that the system lacks is left out.
_SHELL = (
    '{ ulimit -St "$1"; ulimit -Ht "$2"; ulimit -d "$3"; ulimit -v "$4"; ulimit -c 0; } 2>/dev/null; shift 4; exec "$@"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use. The defaults fit a decode of two hours; ffmpeg needs 150 MB of data at least (measured)."""

    wait: float = 120.0  # seconds that we wait for it in total; the time between two reads does not count
    cpu: int = 300  # seconds of processor
    data: int = 512  # MB of private memory, which Linux enforces and others ignore
    address: int = 2048  # MB of address space


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    log: str  # what it wrote to standard error, the middle left out when long
    side: bytes  # what it wrote to `SIDE`


class Child:
    """A running child process. Use it as a context manager: afterwards it is killed and reaped, whatever happens.

    `source` is opened here and becomes its standard input; without one, `write` feeds it. Every method raises
    `Refused("took-too-long")` when the child used up its time, and `Transient` when it was killed from outside.
    """

    def __init__(self, command: Sequence[str], *, source: Path | None = None, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._seconds_left = limits.wait
        self._side, side_end = os.pipe() if SIDE in command else (-1, -1)
        try:
            self._process = _start(_limited(command, limits, side_end), source, side_end)
        except BaseException:
            _close(self._side)
            raise
        finally:
            _close(side_end)
        self._kept: dict[int, bytearray] = {_fd(self._process.stderr): bytearray()}
        if self._side >= 0:
            self._kept[self._side] = bytearray()
        self._unread = set(self._kept)
        if self._process.stdin:
            os.set_blocking(self._process.stdin.fileno(), False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def read(self) -> bytes:
        """What comes next on standard output, `b""` at its end."""
        fd = _fd(self._process.stdout)
        self._wait_for(fd, select.POLLIN)
        return os.read(fd, _PIPE)

    def blocks(self) -> Iterator[bytes]:
        return iter(self.read, b"")

    def write(self, data: bytes | memoryview) -> None:
        """Feed its standard input. Raises `BrokenPipeError` when it reads no more: `finish` raises the reason."""
        assert self._process.stdin
        rest = memoryview(data).cast("B")
        while rest:
            self._wait_for(self._process.stdin.fileno(), select.POLLOUT)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._process.stdin.fileno(), rest[:_PIPE]) :]

    def finish(self) -> Outcome:
        """Close its input, read all its messages, and wait for its end. Output that was not read is discarded."""
        if self._process.stdin:
            self._process.stdin.close()
        for _ in self.blocks():
            pass
        while self._unread:
            self._wait_for(-1, 0)
        log = self._kept[_fd(self._process.stderr)].decode(errors="replace")
        return _checked(Outcome(self._exit_code(), log, bytes(self._kept.get(self._side, b""))))

    def kill(self) -> None:
        """Kill it and all that it started. May be called again, and after `finish`."""
        if self._process.returncode is None:  # not reaped, so the id is still its own
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        _close(self._side)
        self._side = -1

    def _exit_code(self) -> int:
        try:
            return self._process.wait(timeout=max(self._seconds_left, 1.0))
        except subprocess.TimeoutExpired as error:
            raise self._timeout() from error

    def _wait_for(self, fd: int, event: int) -> None:
        """Until `fd` is ready (or, with -1, something was drained), reading the other pipes meanwhile."""
        ready: set[int] = set()
        while fd not in ready:
            ready = self._poll(fd, event)
            for pipe in ready & self._unread:
                self._drain(pipe)
            if fd < 0:
                return

    def _poll(self, fd: int, event: int) -> set[int]:
        poller = select.poll()
        for pipe in self._unread:
            poller.register(pipe, select.POLLIN)
        if fd >= 0:
            poller.register(fd, event)
        before = time.monotonic()
        ready = {number for number, _ in poller.poll(self._seconds_left * 1000)}
        self._seconds_left -= time.monotonic() - before
        if not ready or self._seconds_left <= 0:
            raise self._timeout()
        return ready

    def _drain(self, fd: int) -> None:
        data, kept = os.read(fd, 65536), self._kept[fd]
        if not data:
            self._unread.discard(fd)
        kept += data
        if fd == self._side:
            del kept[_SIDE:]
        elif len(kept) > _LOG:
            kept[_LOG // 2 : -_LOG // 4] = b"\n"

    def _timeout(self) -> Refused:
        self.kill()
        return Refused("took-too-long")


def run(command: Sequence[str], *, source: Path | None = None, limits: Limits | None = None) -> Outcome:
    """Run `command` to its end; its output is not kept."""
    with Child(command, source=source, limits=limits) as child:
        return child.finish()


def _limited(command: Sequence[str], limits: Limits, side_end: int) -> list[str]:
    numbers = (limits.cpu, limits.cpu + 5, limits.data * 1024, limits.address * 1024)
    rest = (f"pipe:{side_end}" if word == SIDE else word for word in command)
    return ["/bin/sh", "-c", _SHELL, "sh", *map(str, numbers), *rest]


def _start(command: list[str], source: Path | None, side_end: int) -> subprocess.Popen[bytes]:
    """With a minimal environment (ffmpeg reads some variables) and `/` as the working folder."""
    with contextlib.ExitStack() as stack:
        return subprocess.Popen(
            command,
            stdin=stack.enter_context(source.open("rb")) if source else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(side_end,) if side_end >= 0 else (),
            bufsize=0,
            pipesize=_PIPE,
            env={"PATH": os.defpath, "LANG": "C"},
            cwd="/",
            start_new_session=True,
        )


def _checked(outcome: Outcome) -> Outcome:
    """A child that was killed must not be taken for one that read a short file."""
    if outcome.code == -signal.SIGXCPU:
        raise Refused("took-too-long")
    was_asked = outcome.code == 255 and "received signal" in outcome.log  # ffmpeg ends by itself on SIGTERM
    if was_asked or outcome.code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise Transient(reason=f"the child process was killed ({outcome.code})")
    return outcome


def _fd(pipe: IO[bytes] | None) -> int:
    assert pipe
    return pipe.fileno()


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
