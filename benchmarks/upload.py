"""Uploading a 200 MB file: how much the web process grows, and how fast, beside stock Flask on the same server.

    python -m benchmarks.upload

The claim: the web process grows by less than 64 MB. The baseline takes the file by `request.files` and saves it.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter

import psutil
from flask import Flask, request

from benchmarks.report import print_table
from tests.serving import Served, Visitor, serving

MEGABYTE = 1024 * 1024
SIZE_MB = 200
LIMIT_MB = 64  # the web process may grow by
SAMPLE_SECONDS = 0.01
HEAD = (
    b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="song.wav"\r\nContent-Type: audio/wav\r\n\r\n'
)
TAIL = b"\r\n--frontier--\r\n"
NOISE = os.urandom(MEGABYTE)  # like music: no long runs, a line break every 128 bytes or so
BASELINE = "from benchmarks.upload import serve_baseline; serve_baseline()"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = measure(Path(folder) / "ours", None, [NOISE])
        lines = measure(Path(folder) / "lines", None, [b"\r\n--" * (MEGABYTE // 4)])
        stock = measure(Path(folder) / "stock", BASELINE, [NOISE])
    rows = [("ours", *ours), ("ours, all line breaks", *lines), ("stock Flask", *stock)]
    print_table(("200 MB upload", "grows MB", "MB/s"), rows)
    worst = max(ours[0], lines[0])
    sys.exit(0 if worst < LIMIT_MB else f"the web process grew by {worst:.0f} MB, more than {LIMIT_MB}")


def measure(folder: Path, start: str | None, blocks: list[bytes]) -> tuple[float, float]:
    """How many MB the busiest worker grew by, and the speed in MB/s. The first, small upload warms everything up."""
    with serving(folder, start, WEB_WORKERS="1", WEB_THREADS="16") as served:
        headers = {} if start else Visitor(served, "ana@example.com").headers
        send(served, headers, 1, blocks)
        with Watch(served.process.pid) as watch:
            began = perf_counter()
            send(served, headers, SIZE_MB, blocks)
            taken = perf_counter() - began
    return watch.growth_mb, SIZE_MB / taken


def send(served: Served, headers: dict[str, str], megabytes: int, blocks: list[bytes]) -> None:
    length = len(HEAD) + megabytes * MEGABYTE + len(TAIL)
    form = {"Content-Type": "multipart/form-data; boundary=frontier", "Content-Length": str(length)}
    with closing(served.connection()) as connection:
        connection.request("POST", "/uploads", _body(megabytes, blocks), {**headers, **form})
        response = connection.getresponse()
        assert response.status == 201, response.read()


class Watch:
    """The growth of the largest child of a process, sampled while the context lasts."""

    def __init__(self, pid: int) -> None:
        self._workers = psutil.Process(pid).children(recursive=True)
        self._before = [worker.memory_info().rss for worker in self._workers]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.growth_mb = 0.0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            now = [worker.memory_info().rss for worker in self._workers]
            grown = max(after - before for after, before in zip(now, self._before, strict=True))
            self.growth_mb = max(self.growth_mb, grown / MEGABYTE)


def baseline_app(folder: Path) -> Flask:
    app = Flask(__name__)
    folder.mkdir(parents=True, exist_ok=True)

    @app.get("/healthz")
    def health() -> str:
        return "ok"

    @app.post("/uploads")
    def take() -> tuple[str, int]:
        request.files["file"].save(folder / "song.wav")
        return "", 201

    return app


def serve_baseline() -> None:
    """On the same server with the same options; only the application differs."""
    from demixer.runtime.settings import load
    from web.server import Server

    class Baseline(Server):
        def load(self) -> Flask:
            return baseline_app(self._settings.data_dir / "files")

    Baseline(load()).run()


def _body(megabytes: int, blocks: list[bytes]) -> Iterator[bytes]:
    yield HEAD
    for number in range(megabytes):
        yield blocks[number % len(blocks)]
    yield TAIL


if __name__ == "__main__":
    main()
