"""The file store on a local folder, through obstore.

A file is written in the folder `.incoming` and moved to its key when it is complete and on the disk. Each writer works
in a folder of its own there and holds a lock on it. A folder that nobody locks belonged to a process that was killed;
opening the store removes it. A store may be opened before a fork, but not used: obstore's threads stay behind.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from demixer.adapters.common.object_keys import BLOCK, NoLinks, checked, translation
from demixer.domain.errors import ConfigurationError, NotFound, Transient
from demixer.ports import Links

BUFFER = 8 * 1024 * 1024  # bytes; a writer holds one that fills and one that is being written
INCOMING = ".incoming"
SCHEME = "file://"


def path_of(url: str, variable: str) -> Path:
    """The folder that `file:///absolute/folder` names."""
    path = url.removeprefix(SCHEME)
    if path in (url, ""):
        raise ConfigurationError(variable=variable, hint=f"{url!r} should look like {SCHEME}/path/to/folder")
    return Path(path)


class LocalFiles:
    """`demixer.ports.Files` in the folder `root`. A bad key is a programming error: `ValueError`."""

    def __init__(self, root: Path) -> None:
        self.links: Links = NoLinks()
        try:
            self._incoming = root / INCOMING
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve()
            self._store = LocalStore(self._root)
            _remove_abandoned(self._incoming)
        except (OSError, BaseError) as error:
            raise ConfigurationError(variable="FILES_URL", hint=f"cannot use the folder {root}: {error}") from error

    def writer(self, key: str) -> "LocalWriter":
        return LocalWriter(self._store, self._root, self._path(key))

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        size = self.size(key)
        if size is None:
            raise NotFound(key=key)
        end = size if end is None else min(end, size)
        if start >= end:
            return iter(())
        with _reading(key):
            found = obstore.get(self._store, key, options={"range": (start, end)})
        return _blocks(found, key)

    def size(self, key: str) -> int | None:
        with suppress(NotFound), _reading(key):
            return int(obstore.head(self._store, checked(key))["size"])
        return None

    def delete(self, prefix: str) -> None:
        path = self._path(prefix)
        with _translated(prefix), suppress(FileNotFoundError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        _prune(path.parent, self._root)

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        below = checked(prefix) if prefix else None
        with _translated(prefix):
            for page in obstore.list(self._store, below):
                yield from (
                    (one["path"], one["last_modified"]) for one in page if not one["path"].startswith(f"{INCOMING}/")
                )

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise NotFound(key=key)
        yield path

    def _path(self, key: str) -> Path:
        return self._root / checked(key)


class LocalWriter:
    """`demixer.ports.FileWriter`."""

    def __init__(self, store: LocalStore, root: Path, target: Path) -> None:
        self._target = target
        self._lock: int | None
        with _translated(str(target)):
            self._folder, self._lock = _own_folder(root / INCOMING)
        part = f"{INCOMING}/{self._folder.name}/part"
        self._file = obstore.open_writer(store, part, buffer_size=BUFFER, max_concurrency=1)

    def write(self, data: bytes) -> None:
        with _translated(str(self._target)):
            self._file.write(data)

    def commit(self) -> None:
        """The file is on the disk before it appears: what a person was told is received survives a power cut."""
        with _translated(str(self._target)):
            self._file.close()
            _sync(self._folder / "part")
            _move(self._folder / "part", self._target)
        self.abort()

    def abort(self) -> None:
        if self._lock is not None:
            del self._file  # obstore removes its unfinished file with the writer
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def _blocks(found: "obstore.GetResult", key: str) -> Iterator[bytes]:
    with _translated(key):
        for block in found.stream(min_chunk_size=BLOCK):
            yield bytes(block)


def _own_folder(incoming: Path) -> tuple[Path, int]:
    """A new folder and the lock on it. Tries another name if the folder is removed before it is locked."""
    while True:
        folder = incoming / secrets.token_hex(8)
        folder.mkdir()
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _locked(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _locked(folder: Path) -> int:
    """An open file descriptor; the lock goes with it, and with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned(incoming: Path) -> None:
    """Remove the folders of killed processes."""
    for folder in incoming.iterdir():
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _move(part: Path, target: Path) -> None:
    """Tried again if another process removes the empty folder before the move, or during `mkdir`."""
    for _ in range(10):
        with suppress(FileNotFoundError, FileExistsError):
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
            break
    else:
        raise Transient(key=str(target), reason="its folder keeps disappearing")
    with suppress(FileNotFoundError):  # deleted already
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(folder: Path, root: Path) -> None:
    """Remove empty folders from `folder` upwards."""
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BaseError) as error:
        raise translation(error, key) from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    with _translated(key):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(key=key) from error
