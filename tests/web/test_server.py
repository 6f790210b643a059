"""What only a real server shows: bodies that break off, answers before the end of a body, a stop with pages open."""

import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.serving import Served, Visitor, serving

pytestmark = pytest.mark.slow
MEGABYTE = 1024 * 1024
HEAD = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, MAX_UPLOAD_MB="2", WEB_WORKERS="1", WEB_THREADS="32") as started:
        yield started


@pytest.fixture
def ana(served: Served) -> Visitor:
    return Visitor(served, "ana@example.com")


def test_a_body_without_a_length_gets_to_see_why_it_is_refused(ana: Visitor, tmp_path: Path) -> None:
    blocks = iter([HEAD, *[b"x" * MEGABYTE] * 40])
    assert _answer(ana.served, "/uploads", blocks, ana.headers) == (413, "too-large")
    assert _uploads(tmp_path) == []


@pytest.mark.parametrize("megabytes", [10, 100])
def test_an_announced_body_gets_to_see_why_it_is_refused(ana: Visitor, tmp_path: Path, megabytes: int) -> None:
    assert _answer(ana.served, "/uploads", b"x" * megabytes * MEGABYTE, ana.headers) == (413, "too-large")


def test_a_stranger_gets_to_see_that_an_account_is_needed(served: Served) -> None:
    assert _answer(served, "/api/v1/uploads", b"x" * 30 * MEGABYTE, {}) == (401, "not-signed-in")


def test_a_connection_that_breaks_off_leaves_nothing(ana: Visitor, tmp_path: Path) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in {**ana.headers, **FORM}.items())
    with socket.create_connection(("127.0.0.1", ana.served.port)) as client:
        client.sendall(f"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n{headers}\r\n".encode())
        client.sendall(HEAD + b"x" * MEGABYTE)
        client.shutdown(socket.SHUT_WR)  # no more is to come
        answer = client.recv(1000)
    assert b" 400 " in answer
    assert _uploads(tmp_path) == []


@pytest.mark.timed
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_five_seconds_with_live_pages_open(ana: Visitor, how: signal.Signals) -> None:
    streams = [_listen(ana) for _ in range(10)]
    assert ana.served.stop(how) < 5
    assert all(_rest(stream).endswith(b"0\r\n\r\n") for stream in streams), "cut off rather than ended"


def _answer(served: Served, path: str, body: bytes | Iterator[bytes], headers: Mapping[str, str]) -> tuple[int, str]:
    with closing(served.connection()) as connection:
        chunked = not isinstance(body, bytes)
        connection.request("POST", path, body, {**headers, **FORM}, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, json.load(response)["code"]


def _listen(visitor: Visitor) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", visitor.served.port))
    client.sendall(f"GET /live HTTP/1.1\r\nHost: x\r\nCookie: {visitor.cookie}\r\n\r\n".encode())
    assert b"200 OK" in client.recv(2000)
    return client


def _rest(stream: socket.socket) -> bytes:
    with stream:
        return b"".join(iter(lambda: stream.recv(65536), b""))


def _uploads(data_dir: Path) -> list[str]:
    return [path.name for path in (data_dir / "files").rglob("*") if path.is_file()]
