"""S3 for real: SeaweedFS as the fixture `s3` starts it. What a store may answer is in `test_s3_answers`."""

import http.client
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from demixer.adapters.s3.files import S3Files
from demixer.adapters.s3.links import S3Links
from demixer.adapters.s3.location import location_of
from demixer.domain.errors import NotFound, StorageFull, Transient
from demixer.ports import Files, FileWriter
from tests.contract.files import MEGABYTE, FilesContract, Opener, content, keys, put, small_disk
from tests.servers import Engine, Server

WITHIN = 12.0  # seconds, for an answer while the store is down

WRITE_AND_HANG = """
import sys
from demixer.adapters.s3.files import S3Files

writer = S3Files(sys.argv[1]).writer("songs/a/f")
writer.write(b"x" * 20_000_000)
print("written", flush=True)
sys.stdin.read()
"""
OPEN_FORK_AND_USE = """
import os, sys
from demixer.adapters.s3.files import S3Files

files = S3Files(sys.argv[1])
child = os.fork()
writer = files.writer(f"made/{os.getpid()}")
writer.write(b"x" * 20_000_000)
writer.commit()
assert sum(map(len, files.read(f"made/{os.getpid()}"))) == 20_000_000
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
WRITE_MUCH = """
import sys
import psutil
from demixer.adapters.s3.files import S3Files

files, piece = S3Files(sys.argv[1]), bytes(1024 * 1024)
first = files.writer("small")
first.write(piece)
first.commit()
memory = psutil.Process().memory_info
before, most = memory().rss, 0
writer = files.writer("large")
for _ in range(100):
    writer.write(piece)
    most = max(most, memory().rss - before)
writer.commit()
for _ in files.read("large"):
    most = max(most, memory().rss - before)
print(most)
"""


@pytest.fixture
def url(s3: Engine) -> str:
    return s3.fresh()


@pytest.fixture
def files(url: str) -> Files:
    return S3Files(url)


@pytest.fixture
def server(s3: Engine) -> Server:
    """To stop and start. Other tests want it running again afterwards."""
    if s3.server is None:
        pytest.skip("TEST_S3 is not ours to stop")
    return s3.server


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.stop(signal.SIGKILL)
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


@contextmanager
def failing_soon() -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(Transient):
        yield
    assert time.monotonic() - began < WITHIN


class TestS3Files(FilesContract):
    @pytest.fixture
    def open_files(self, url: str) -> Opener:
        return lambda: S3Files(url)


def links(url: str, life: timedelta = timedelta(hours=1)) -> S3Links:
    """At the address that we use ourselves."""
    return S3Links(location_of(url), location_of(url).endpoint, life)


def link(url: str, key: str, name: str = "a.flac", life: timedelta = timedelta(hours=1)) -> str:
    found = links(url, life).signed_url(key, media_type="audio/flac", disposition=f'attachment; filename="{name}"')
    assert found
    return found


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def write(writer: FileWriter, megabytes: int) -> None:
    for _ in range(megabytes):
        writer.write(b"x" * MEGABYTE)


def unfinished(url: str) -> int:
    """How many uploads in parts the store holds below our folder."""
    location = location_of(url)
    address = links(url)._signed(f"{location.endpoint}/{location.bucket}?uploads=&prefix={location.folder}%2F")
    with urllib.request.urlopen(address, timeout=10) as answer:
        found: bytes = answer.read()
    return found.count(b"<Upload>")


def test_an_aborted_file_leaves_no_parts_in_the_store(files: Files, url: str) -> None:
    writer = files.writer("songs/a/f")
    write(writer, 20)
    assert unfinished(url) == 1
    writer.abort()
    assert (unfinished(url), keys(files, "")) == (0, [])


def test_a_file_that_is_replaced_while_it_is_read_is_no_mixture(files: Files) -> None:
    put(files, "f", b"a" * 9 * MEGABYTE)
    blocks = files.read("f")
    assert next(blocks)[:1] == b"a"
    put(files, "f", b"b" * 9 * MEGABYTE)
    with pytest.raises(Transient):
        list(blocks)


def test_a_file_that_is_deleted_while_it_is_read_ends_with_an_error(files: Files) -> None:
    put(files, "f", b"a" * 9 * MEGABYTE)
    blocks = files.read("f")
    next(blocks)
    files.delete("f")
    with pytest.raises(NotFound):
        list(blocks)


def test_a_folder_of_many_files_goes_at_once(files: Files) -> None:
    for n in range(60):
        put(files, f"songs/ab/{n}")
    put(files, "songs/abc")
    files.delete("songs/ab")
    assert keys(files, "") == ["songs/abc"]


def test_a_path_is_a_temporary_copy(files: Files) -> None:
    put(files, "songs/a/cover.jpg", b"picture")
    with files.local("songs/a/cover.jpg") as path:
        assert (path.name, path.read_bytes()) == ("cover.jpg", b"picture")
    assert not path.parent.exists()


def test_without_room_for_a_copy_storage_full_is_raised_and_the_copy_removed(files: Files, tmp_path: Path) -> None:
    put(files, "f", b"x" * 5 * MEGABYTE)
    with (
        patch.object(tempfile, "tempdir", str(tmp_path)),
        small_disk(),
        pytest.raises(StorageFull),
        files.local("f"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_a_killed_process_was_writing_is_seen_by_nobody(files: Files, url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_HANG, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert (keys(files, ""), files.size("songs/a/f")) == ([], None)
    put(files, "songs/a/f", b"again")
    assert content(files, "songs/a/f") == b"again"


@pytest.mark.slow
def test_a_store_opened_before_a_fork_works_after_it(files: Files, url: str) -> None:
    subprocess.run([sys.executable, "-c", OPEN_FORK_AND_USE, url], check=True, timeout=60)
    assert len(keys(files, "made")) == 2


def test_many_threads_write_read_and_delete_at_once(files: Files, url: str) -> None:
    def work(n: int) -> bytes:
        put(files, f"songs/a/{n}", b"mine %d" % n)
        link(url, f"songs/a/{n}")
        found = content(files, f"songs/a/{n}")
        files.delete(f"songs/a/{n}")
        return found

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(40))) == [b"mine %d" % n for n in range(40)]
    assert keys(files, "") == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(url: str) -> None:
    most = subprocess.run(
        [sys.executable, "-c", WRITE_MUCH, url], check=True, timeout=120, capture_output=True, text=True
    ).stdout
    assert int(most) < 24 * MEGABYTE


@pytest.mark.slow
def test_a_store_that_is_killed_and_comes_back(files: Files, server: Server) -> None:
    put(files, "before")
    half = files.writer("half")
    write(half, 12)
    with killed(server):
        with failing_soon():
            write(half, 20)
        half.abort()
        for use in (files.size, files.read, files.delete, lambda key: put(files, key)):
            with failing_soon():
                use("during")
    put(files, "after")
    assert keys(files, "") == ["after", "before"]


@pytest.mark.slow
def test_a_store_that_hangs_is_given_up(files: Files, server: Server) -> None:
    put(files, "before")
    half = files.writer("half")
    write(half, 12)
    with frozen(server):
        with failing_soon():
            files.size("before")
        with failing_soon():
            write(half, 20)
        half.abort()
    assert content(files, "before") == b"some sound"
    with pytest.raises(Transient):
        half.commit()
    assert files.size("half") is None


def test_a_signed_address_gives_the_file_under_the_name_for_people(files: Files, url: str) -> None:
    put(files, "songs/a/vocals+x.flac", b"0123456789")
    address = link(url, "songs/a/vocals+x.flac", "Ana - Cancion (vocals).flac\"; filename*=UTF-8''Canci%C3%B3n")
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"0123456789"
        assert answer.headers["Content-Type"] == "audio/flac"
        assert "filename*=UTF-8''Canci%C3%B3n" in answer.headers["Content-Disposition"]
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": "bytes=2-4"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (206, b"234")
    connection.close()


def test_a_signed_address_is_good_for_nothing_else(files: Files, url: str) -> None:
    put(files, "songs/a/f")
    put(files, "songs/a/g")
    address = link(url, "songs/a/f")
    assert status(address) == 200
    assert status(address.replace("songs/a/f", "songs/a/g")) == 403
    assert status(address.replace("a.flac", "b.exe")) == 403
    assert status(address.partition("?")[0]) == 403
    assert status(link(url, "songs/a/nothing")) == 404


def test_a_signed_address_expires(files: Files, url: str) -> None:
    put(files, "f")
    address = link(url, "f", life=timedelta(seconds=2))
    assert status(address) == 200
    deadline = time.monotonic() + 15
    while status(address) == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status(address) == 403
