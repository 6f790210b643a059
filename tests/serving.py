"""A real server, started as `demixer web` does, for tests and benchmarks that need one."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from tests.ports import free_port

START = "from demixer.runtime.settings import load; from web.server import run; run(load())"
STARTED_WITHIN = 30.0  # seconds


class Served:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def stop(self, how: signal.Signals = signal.SIGTERM, patience: float = 10) -> float:
        """As a terminal does for Ctrl-C: the signal goes to the whole process group. Returns the seconds it took."""
        began = time.monotonic()
        os.killpg(self.process.pid, how)
        self.process.wait(patience)
        return time.monotonic() - began


class Visitor:
    """Signed up, with a cookie and a token, over plain HTTP."""

    def __init__(self, served: Served, email: str) -> None:
        self.served = served
        self.cookie = ""
        self._take_token()
        body = f"email={email}&name=Ana&password=correct+horse+battery".encode()
        assert self._request("POST", "/sign-up", body, "application/x-www-form-urlencoded")[0] == 303
        self._take_token()

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "X-CSRFToken": self._token, "Accept": "application/json"}

    def _take_token(self) -> None:
        self._token = ""
        page = self._request("GET", "/", b"", "")[1].decode()
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found, page[:200]
        self._token = found[1]

    def _request(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        headers = {"Cookie": self.cookie, "X-CSRFToken": self._token, "Content-Type": kind}
        with closing(self.served.connection()) as connection:
            connection.request(method, path, body or None, {name: value for name, value in headers.items() if value})
            response = connection.getresponse()
            self.cookie = (response.headers.get("Set-Cookie") or self.cookie).split(";")[0]
            return response.status, response.read()


@contextmanager
def serving(data_dir: Path, start: str | None = None, **environ: str) -> Iterator[Served]:
    """Environment variables as keyword arguments; `start` is other Python to run. Killed at the end."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", start or START], env=_environ(data_dir, port, environ), start_new_session=True
    )
    served = Served(process, port)
    try:
        _wait_until_healthy(served)
        yield served
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environ(data_dir: Path, port: int, more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(port), "MODEL": "spleeter-2stems", **more}


def _wait_until_healthy(served: Served) -> None:
    """Nothing tells from outside when a server is up, so ask until it answers."""
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline and served.process.poll() is None:
        connection = served.connection()
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the server did not start")
