"""The file store: bytes under keys."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol


class FileWriter(Protocol):
    """A file being written. It appears at `commit`, complete, or never."""

    def write(self, data: bytes) -> None:
        """Raises `StorageFull`."""

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Discard what was written. Does nothing after `commit`."""


class Links(Protocol):
    """URLs at which the store itself serves a file, so that its bytes do not pass through the web server."""

    def signed_url(self, key: str, *, media_type: str, disposition: str) -> str | None:
        """Valid for an hour, for anybody who has it. None where browsers cannot reach the store.

        The answer has `media_type` and `disposition` as `Content-Type` and `Content-Disposition`. Whether there is such
        a file is not checked.
        """


class Files(Protocol):
    """Bytes under keys such as `songs/<id>/<separation>/vocals.flac`. Keys are made by us, never by a person."""

    links: Links

    def writer(self, key: str) -> FileWriter:
        """Streams: memory does not grow with the file (at most about 16 MB a writer)."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `end` (not included; None: to the end) in blocks.

        Raises `NotFound` before the first block.
        """

    def size(self, key: str) -> int | None:
        """In bytes; None if there is no such file."""

    def delete(self, prefix: str) -> None:
        """Everything at or below `prefix`. Does nothing if there is nothing.

        `songs/ab` is the file `songs/ab` or the folder, never `songs/abc`.
        """

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """All keys below the folder `prefix` with when they were last written."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The file as a readable path on this machine while the context lasts. Raises `NotFound`."""
