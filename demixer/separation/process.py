"""The worker's child as a process: started, spoken to, listened to, ended."""

import contextlib
import json
import logging
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

from demixer.domain.errors import SeparationFailed
from demixer.separation.protocol import Message

CLOSE_WITHIN = 2.0  # seconds to end by itself, before it is killed

log = logging.getLogger(__name__)


class Process:
    """Runs from the beginning. One thread at a time may use it."""

    def __init__(self, command: Sequence[str]) -> None:
        # In a session of its own, so that Ctrl-C in a terminal reaches only us, who then stop it in order. It ends by
        # itself when its input does: no way of dying leaves it behind.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
        )
        self._said: queue.Queue[Message | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Message) -> None:
        """Raises `SeparationFailed("worker-died")` when there is nobody to hear it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error

    def messages(self, within: float) -> Iterator[Message]:
        """What it says, as it says it, for `within` seconds. Raises `SeparationFailed` when it died."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                message = self._said.get(timeout=left)
                if message is None:
                    raise self._died()
                yield message

    def close(self) -> None:
        """Let it end by itself, at the end of its input."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _died(self) -> SeparationFailed:
        self._process.kill()
        log.error("the separation process ended with status %s", self._process.wait())
        return SeparationFailed("worker-died")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(json.JSONDecodeError):  # it was killed in the middle of a line
            for line in self._process.stdout:
                self._said.put(json.loads(line))
        self._said.put(None)

    def _reap(self) -> None:
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
