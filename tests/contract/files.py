"""What every file store must do, whatever the engine. A subclass gives the fixture `open_files`."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from demixer.domain.errors import NotFound
from demixer.ports import Files

Opener = Callable[[], Files]  # opens the same store every time

MEGABYTE = 1024 * 1024


def put(files: Files, key: str, data: bytes = b"some sound") -> None:
    writer = files.writer(key)
    writer.write(data)
    writer.commit()


def content(files: Files, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(files.read(key, start, end))


def keys(files: Files, prefix: str) -> list[str]:
    return sorted(key for key, _ in files.keys(prefix))


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 3 MB: the system answers much as for a full disk, on any machine, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MEGABYTE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FilesContract:
    @pytest.fixture
    def open_files(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def files(self, open_files: Opener) -> Files:
        return open_files()

    def test_it_gives_back_what_was_written_in_pieces(self, files: Files) -> None:
        writer = files.writer("songs/a/x/vocals.flac")
        for piece in (b"one ", b"", b"two ", b"three"):
            writer.write(piece)
        writer.commit()
        assert content(files, "songs/a/x/vocals.flac") == b"one two three"
        assert files.size("songs/a/x/vocals.flac") == 13

    def test_an_empty_file_is_a_file(self, files: Files) -> None:
        files.writer("empty").commit()
        assert (files.size("empty"), content(files, "empty"), keys(files, "")) == (0, b"", ["empty"])

    def test_a_large_file_survives_and_is_read_in_blocks(self, files: Files) -> None:
        data = bytes(range(256)) * 4096 * 20  # 20 MB, more than a writer holds
        writer = files.writer("large")
        for start in range(0, len(data), MEGABYTE):
            writer.write(data[start : start + MEGABYTE])
        writer.commit()
        blocks = list(files.read("large"))
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= MEGABYTE
        assert content(files, "large", 10_000_000, 10_000_300) == data[10_000_000:10_000_300]

    def test_ranges_are_read_as_asked_for_and_end_with_the_file(self, files: Files) -> None:
        put(files, "f", b"0123456789")
        assert content(files, "f", 2, 5) == b"234"
        assert content(files, "f", 7) == b"789"
        assert content(files, "f", 7, 100) == b"789"
        assert content(files, "f", 5, 5) == b""
        assert content(files, "f", 10) == content(files, "f", 99) == b""

    def test_reading_what_is_not_there_fails_before_the_first_block(self, files: Files) -> None:
        put(files, "folder/f")
        for key in ("nothing", "folder"):
            with pytest.raises(NotFound):
                files.read(key)
            assert files.size(key) is None

    def test_a_file_appears_at_commit_and_not_before(self, files: Files) -> None:
        writer = files.writer("songs/a/f")
        writer.write(b"x" * 20 * MEGABYTE)
        assert files.size("songs/a/f") is None
        assert keys(files, "") == keys(files, "songs") == []
        writer.commit()
        assert keys(files, "") == keys(files, "songs") == ["songs/a/f"]

    def test_an_aborted_file_never_appears(self, files: Files) -> None:
        for size in (1, 20 * MEGABYTE):
            writer = files.writer("f")
            writer.write(b"x" * size)
            writer.abort()
            writer.abort()
        files.writer("f").abort()
        assert (files.size("f"), keys(files, "")) == (None, [])

    def test_abort_after_commit_does_nothing(self, files: Files) -> None:
        writer = files.writer("f")
        writer.write(b"kept")
        writer.commit()
        writer.abort()
        assert content(files, "f") == b"kept"

    def test_writing_again_replaces_the_whole_at_commit(self, files: Files) -> None:
        put(files, "f", b"the old and longer one")
        writer = files.writer("f")
        writer.write(b"new")
        assert content(files, "f") == b"the old and longer one"
        writer.commit()
        assert content(files, "f") == b"new"

    def test_two_writers_of_one_key_do_not_mix(self, files: Files) -> None:
        first, second = files.writer("f"), files.writer("f")
        first.write(b"first")
        second.write(b"second")
        second.commit()
        first.commit()
        assert content(files, "f") == b"first"
        assert keys(files, "") == ["f"]

    def test_deleting_takes_the_file_or_the_folder_and_not_its_neighbours(self, files: Files) -> None:
        for key in ("songs/ab/x/1", "songs/ab/y/2", "songs/abc/3", "songs/d"):
            put(files, key)
        files.delete("songs/ab")
        assert keys(files, "") == ["songs/abc/3", "songs/d"]
        files.delete("songs/d")
        assert keys(files, "") == ["songs/abc/3"]

    def test_deleting_what_is_gone_is_fine(self, files: Files) -> None:
        files.delete("nothing/at/all")
        put(files, "songs/a/f")
        files.delete("songs/a")
        files.delete("songs/a")
        put(files, "songs/a/f")
        assert content(files, "songs/a/f") == b"some sound"

    def test_keys_are_those_below_a_folder_with_their_time(self, files: Files) -> None:
        for key in ("a/1", "a/b/2", "ab/3"):
            put(files, key)
        assert keys(files, "a") == ["a/1", "a/b/2"]
        assert keys(files, "") == ["a/1", "a/b/2", "ab/3"]
        assert keys(files, "nothing") == []
        (_, written), *_ = files.keys("a/b")
        assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)

    def test_a_file_can_be_used_as_a_path(self, files: Files) -> None:
        put(files, "songs/a/cover.jpg", b"picture")
        with files.local("songs/a/cover.jpg") as path:
            assert path.read_bytes() == b"picture"
        assert content(files, "songs/a/cover.jpg") == b"picture"
        with pytest.raises(NotFound), files.local("nothing"):
            pass

    def test_what_is_being_read_can_be_deleted(self, files: Files) -> None:
        put(files, "f", b"x" * 5 * MEGABYTE)
        blocks = files.read("f")
        next(blocks)
        files.delete("f")
        assert files.size("f") is None

    def test_reopening_keeps_everything(self, files: Files, open_files: Opener) -> None:
        put(files, "songs/a/f")
        again = open_files()
        assert content(again, "songs/a/f") == b"some sound"

    @pytest.mark.parametrize(
        "key", ["/etc/passwd", "../f", "a/../b", "a//b", "a/", ".", "", "a/.", "a\\b", "a\x00", "f#1", "é"]
    )
    def test_a_bad_key_is_a_programming_error(self, files: Files, key: str) -> None:
        for use in (files.writer, files.read, files.size, files.delete):
            with pytest.raises(ValueError, match="not a key"):
                use(key)
