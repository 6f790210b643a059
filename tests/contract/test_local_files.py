import errno
import fcntl
import functools
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from demixer.adapters.localfs.files import LocalFiles, path_of
from demixer.domain.errors import ConfigurationError, StorageFull
from demixer.ports import FileWriter
from tests.contract.files import MEGABYTE, FilesContract, Opener, content, keys, put, small_disk

WRITE_AND_HANG = """
import sys
from pathlib import Path
from demixer.adapters.localfs.files import LocalFiles

writer = LocalFiles(Path(sys.argv[1])).writer("songs/a/f")
writer.write(b"x" * 20_000_000)
print("written", flush=True)
sys.stdin.read()
"""


class TestLocalFiles(FilesContract):
    @pytest.fixture
    def open_files(self, tmp_path: Path) -> Opener:
        return functools.partial(LocalFiles, tmp_path / "files")


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "files")


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_url_names_a_folder(tmp_path: Path) -> None:
    assert path_of("file:///srv/a b", "X") == Path("/srv/a b")
    with pytest.raises(ConfigurationError, match="FILES_URL"):
        path_of("file://", "FILES_URL")


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="FILES_URL: cannot use the folder"):
        LocalFiles(tmp_path / "file" / "files")


def test_a_path_is_the_file_itself_and_no_copy(files: LocalFiles, tmp_path: Path) -> None:
    put(files, "songs/a/f")
    with files.local("songs/a/f") as path:
        assert path == tmp_path / "files" / "songs" / "a" / "f"


def test_commit_abort_and_delete_leave_nothing_behind(files: LocalFiles, tmp_path: Path) -> None:
    put(files, "songs/a/x/1", b"x" * 20 * MEGABYTE)
    writer = files.writer("songs/a/x/2")
    writer.write(b"x" * 20 * MEGABYTE)
    writer.abort()
    assert everything(tmp_path / "files") == [".incoming", "songs", "songs/a", "songs/a/x", "songs/a/x/1"]
    files.delete("songs/a/x")
    assert everything(tmp_path / "files") == [".incoming"]


@pytest.mark.parametrize("size", [4 * MEGABYTE, 40 * MEGABYTE])
def test_a_full_disk_raises_storage_full_and_leaves_no_file(files: LocalFiles, tmp_path: Path, size: int) -> None:
    writer = files.writer("songs/a/f")
    with small_disk(), pytest.raises(StorageFull):
        write_in_pieces_and_commit(writer, size)
    writer.abort()
    assert everything(tmp_path / "files") == [".incoming"]
    put(files, "songs/a/small")
    assert keys(files, "") == ["songs/a/small"]


def write_in_pieces_and_commit(writer: FileWriter, size: int) -> None:
    for _ in range(size // MEGABYTE):
        writer.write(b"x" * MEGABYTE)
    writer.commit()


def test_what_a_killed_process_was_writing_goes_when_the_store_is_opened_next(tmp_path: Path) -> None:
    root = tmp_path / "files"
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_HANG, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert keys(LocalFiles(root), "") == []
        assert len(everything(root / ".incoming")) == 2, "a writer at work must not be disturbed"
        process.kill()
    LocalFiles(root)
    assert everything(root) == [".incoming"]


def test_a_folder_that_is_pruned_while_a_file_moves_in_is_made_again(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.replace
    pruned: list[Path] = []

    def prune_and_move(part: Path, target: Path) -> Path:
        if not pruned:
            target.parent.rmdir()
            pruned.append(target)
        return move(part, target)

    monkeypatch.setattr(Path, "replace", prune_and_move)
    put(files, "songs/a/f")
    assert pruned == [tmp_path / "files" / "songs" / "a" / "f"]
    assert content(files, "songs/a/f") == b"some sound"


def test_a_writer_whose_folder_is_removed_before_it_is_locked_makes_another(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[Path] = []

    def sweep_and_lock(descriptor: int, operation: int) -> None:
        if not swept:
            swept.extend((tmp_path / "files" / ".incoming").iterdir())
            swept[0].rmdir()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_and_lock)
    writer = files.writer("songs/a/f")
    writer.write(b"x" * 20 * MEGABYTE)
    LocalFiles(tmp_path / "files")  # sweeps again, and must find this writer's lock
    writer.commit()
    assert len(swept) == 1
    assert files.size("songs/a/f") == 20 * MEGABYTE
    assert everything(tmp_path / "files" / ".incoming") == []


def test_many_threads_write_and_delete_in_the_same_folders(files: LocalFiles, tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for _ in range(10):
                put(files, f"songs/a/{n}", b"mine %d" % n)
                assert content(files, f"songs/a/{n}") == b"mine %d" % n
                files.delete(f"songs/a/{n}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert everything(tmp_path / "files") == [".incoming"]


def test_a_folder_that_goes_while_it_is_made_is_made_again(files: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir, in_the_way = Path.mkdir, [FileExistsError(errno.EEXIST, "File exists")]

    def once_in_the_way(path: Path, *arguments: Any, **options: Any) -> None:
        if in_the_way:
            raise in_the_way.pop()
        mkdir(path, *arguments, **options)

    writer = files.writer("songs/a/1")
    writer.write(b"mine")
    monkeypatch.setattr(Path, "mkdir", once_in_the_way)
    writer.commit()
    assert (content(files, "songs/a/1"), in_the_way) == (b"mine", [])


def test_a_writer_holds_little_memory(files: LocalFiles) -> None:
    memory = psutil.Process().memory_info
    piece, before, most = b"x" * MEGABYTE, memory().rss, 0
    writer = files.writer("large")
    for _ in range(150):
        writer.write(piece)
        most = max(most, memory().rss - before)
    writer.commit()
    assert most < 32 * MEGABYTE
    assert files.size("large") == 150 * MEGABYTE
