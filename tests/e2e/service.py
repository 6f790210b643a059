"""The whole service as `make run` starts it, for tests that use it from outside like anybody would."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from tests import engines
from tests.ports import free_port

DEMIXER = Path(sys.executable).with_name("demixer")
PASSWORD = "correct horse battery"
T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T | None], *, seconds: float) -> T:
    """Poll until `condition` gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:g} s")


class Service:
    """`demixer run` on a folder of its own. May be stopped, killed and started again on the same folder."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # One thread a process: two spinning on a busy machine take ten times as long.
        self.environ = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            **engines.environ(data_dir),
            **environ,
        }
        self.output: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(DEMIXER), "run"],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        wait_for("the line that says where to open it", self._announced, seconds=60)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        with process.stdout as lines:
            self.output.extend(line.rstrip("\n") for line in lines)

    def _announced(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "\n".join(self.output)
        return any(self.url in line for line in self.output)

    def interrupt(self) -> float:
        """Ctrl-C, as a terminal sends it: to the whole process group. Returns how many seconds the stop took."""
        assert self.process
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=30)
        return time.monotonic() - began

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def children(self) -> list[psutil.Process]:
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.interrupt()

    def command(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [str(DEMIXER), *arguments], env=self.environ, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def person(self, email: str) -> "Client":
        self.command("account", "create", email, stdin=PASSWORD + "\n")
        return Client(self.url, self.command("token", "create", email).strip())


class Client:
    """A person at the API."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, path: Path, **fields: str) -> requests.Response:
        """Whatever the answer is."""
        with path.open("rb") as file:
            return self.session.post(f"{self.url}/api/v1/uploads", files={"file": file}, data=fields, timeout=60)

    def upload(self, path: Path, **fields: str) -> dict[str, Any]:
        answer = self.send(path, **fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def get(self, path: str) -> Any:
        answer = self.session.get(f"{self.url}{path}", timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bytes(self, path: str) -> bytes:
        answer = self.session.get(f"{self.url}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    def see(self, upload_id: str) -> dict[str, Any]:
        return dict(self.get(f"/api/v1/uploads/{upload_id}"))

    def ended(self, upload_id: str, *, seconds: float = 120) -> dict[str, Any]:
        """The upload once it is ready, failed or cancelled, whatever happens to server and engines meanwhile."""

        def ended() -> dict[str, Any] | None:
            try:
                answer = self.session.get(f"{self.url}/api/v1/uploads/{upload_id}", timeout=30)
            except requests.ConnectionError:
                return None
            assert answer.status_code in (200, 503), answer.text
            return dict(answer.json()) if answer.json()["status"] in ("ready", "failed", "cancelled") else None

        return wait_for(f"upload {upload_id} ends", ended, seconds=seconds)


@contextmanager
def service(data_dir: Path, **environ: str) -> Iterator[Service]:
    running = Service(data_dir, **environ)
    try:
        running.start()
        yield running
    finally:
        running.stop()
