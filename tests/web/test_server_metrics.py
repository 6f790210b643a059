"""What only a real server shows: processes that count together, and a log of one shape."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.serving import Served, Visitor, serving

pytestmark = pytest.mark.slow
START = "import os, sys; sys.stderr = open(os.environ['LOG'], 'a', buffering=1); " + (
    "from demixer.cli.service import web; web(None)"
)
PATIENCE = 20.0  # seconds


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def served(tmp_path: Path, log: Path) -> Iterator[Served]:
    with serving(tmp_path, START, WEB_WORKERS="2", WEB_THREADS="8", LOG_FORMAT="json", LOG=str(log)) as started:
        yield started


def get(served: Served, path: str) -> tuple[int, str]:
    """Over a connection of its own: whichever process takes it."""
    with closing(served.connection()) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()


def count(served: Served, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", get(served, "/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def test_processes_count_together_and_one_that_is_killed_takes_only_its_live_pages(served: Served) -> None:
    searches = 'demixer_web_requests_total{method="GET",route="/search",status="200"}'
    for _ in range(40):
        assert get(served, "/search")[0] == 200
    assert [count(served, searches) for _ in range(10)] == [40] * 10, "whichever process answers"
    ana = Visitor(served, "ana@example.com")
    with closing(served.connection()) as stream:
        stream.request("GET", "/live", headers=ana.headers)
        assert stream.getresponse().status == 200
        assert count(served, "demixer_web_live_pages") == 1
        for worker in psutil.Process(served.process.pid).children():
            worker.kill()
        until(lambda: _answers(served) and count(served, "demixer_web_live_pages") == 0)
    assert count(served, searches) == 40
    assert get(served, "/readyz")[0] == 200


def _answers(served: Served) -> bool:
    try:
        return get(served, "/healthz")[0] == 200
    except OSError:
        return False


def test_every_line_of_the_log_is_json_and_says_which_request_it_is_about(served: Served, log: Path) -> None:
    assert get(served, "/songs/nothing?secret=1")[0] == 404
    until(lambda: "/songs/nothing" in log.read_text())  # its line follows the answer
    (worker, *_) = psutil.Process(served.process.pid).children()
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: "gunicorn.error" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (asked,) = [line for line in lines if line.get("path") == "/songs/nothing"]
    assert (asked["method"], asked["status"], asked["song"]) == ("GET", 404, "nothing")
    assert asked["request"]
    assert "secret" not in log.read_text()
    assert not [line for line in lines if line.get("path") == "/healthz"]
