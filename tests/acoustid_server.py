"""A server on this machine that answers as AcoustID does."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import acoustid
import pytest

KEY = "s3cr3t-key"


class AcoustId:
    """What it answers next, and what it was asked: the fields of each form."""

    def __init__(self) -> None:
        self.status, self.body = 200, json.dumps(answer())
        self.asked: list[dict[str, str]] = []
        self.silent = threading.Event()  # set: it says nothing until `over`
        self.over = threading.Event()

    def knows(self, *results: dict[str, Any]) -> None:
        self.body = json.dumps(answer(*results))


def answer(*results: dict[str, Any]) -> dict[str, Any]:
    return {"status": "ok", "results": list(results)}


def result(*recordings: dict[str, Any], score: float = 0.97) -> dict[str, Any]:
    return {"id": "9ff43b6a-4f16-427c-93c2-92307ca505e0", "score": score, "recordings": list(recordings)}


def recording(title: str = "Falcon 69", artist: str = "The Easton Ellises", **more: Any) -> dict[str, Any]:
    """Of 120 s, as `tests.steps.an_analysis` is."""
    return {
        "id": "cd2e7c47-16f5-46c6-a37c-a1eb7bf599ff",
        "title": title,
        "duration": 120,
        "sources": 5,
        "artists": [{"id": "a", "name": artist}],
        "releasegroups": [{"id": "r", "title": "EP One", "type": "Album"}],
        **more,
    }


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[AcoustId]:
    """It is asked instead of the real one, as often as one likes."""
    state = AcoustId()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"state": state})) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(acoustid, "API_BASE_URL", f"http://127.0.0.1:{server.server_port}/v2/")
        monkeypatch.setattr(acoustid, "REQUEST_INTERVAL", 0)
        yield state
        state.over.set()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    state: AcoustId

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.state.asked.append({"path": self.path, **fields})
        if self.state.silent.is_set():
            self.state.over.wait(10)
            return
        self.send_response(self.state.status)
        self.end_headers()
        self.wfile.write(self.state.body.encode())

    def log_message(self, *_: object) -> None:
        pass
