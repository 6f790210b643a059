"""The file store on S3 or a compatible store, through obstore.

A file is sent in parts while it is written, and appears as a whole when the last request is answered. A killed process
leaves an unfinished multipart upload, which is not listed; a lifecycle rule of the bucket removes it
(docs/decisions/0014-s3.md).

Opening sends no request, so a process starts while the store is down. A store may be opened before a fork, but not
used: obstore's threads stay behind.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from demixer.adapters.common import object_keys
from demixer.adapters.common.object_keys import BLOCK, NoLinks, checked
from demixer.adapters.s3.errors import PAST_THE_END, status_of, translated, translated_while_writing
from demixer.adapters.s3.links import S3Links
from demixer.adapters.s3.location import location_of
from demixer.domain.errors import NotFound, Transient
from demixer.ports import Links
from demixer.runtime import tempdirs

if TYPE_CHECKING:
    from obstore import GetOptions

PART = 5 * 1024 * 1024  # bytes; the smallest that S3 takes. A writer holds one that fills and two being sent
FETCH = 4 * 1024 * 1024  # bytes of one request: a reader holds that much, and a slow one keeps no connection open
PAGE = 1000  # keys; as many as one request deletes


class S3Files:
    """`demixer.ports.Files` in the bucket that `url` names (`location.SHAPE`). A bad key: `ValueError`."""

    def __init__(self, url: str, public_url: str = "") -> None:
        location = location_of(url)
        self._store = location.open()
        self.links: Links = S3Links(location, public_url) if public_url else NoLinks()

    def writer(self, key: str) -> "S3Writer":
        return S3Writer(self._store, checked(key))

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if end is not None and start >= end:
            if self.size(key) is None:
                raise NotFound(key=key)
            return iter(())
        try:
            first, total, version = self._fetch(key, start, end)
        except _PastTheEnd:
            return iter(())
        return self._blocks(key, first, start, min(end or total, total), version)

    def size(self, key: str) -> int | None:
        with suppress(NotFound), translated(key):
            return int(obstore.head(self._store, checked(key))["size"])
        return None

    def delete(self, prefix: str) -> None:
        with suppress(NotFound), translated(prefix):
            obstore.delete(self._store, checked(prefix))
        with translated(prefix):
            for page in obstore.list(self._store, prefix, chunk_size=PAGE):
                obstore.delete(self._store, [one["path"] for one in page])

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        below = checked(prefix) if prefix else None
        with translated(prefix):
            for page in obstore.list(self._store, below, chunk_size=PAGE):
                yield from ((one["path"], one["last_modified"]) for one in page)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """A temporary copy. Raises `StorageFull` where the disk for temporary files is full."""
        blocks = self.read(key)
        with ExitStack() as stack:
            with object_keys.translated(key):
                path = stack.enter_context(tempdirs.folder()) / key.rpartition("/")[2]
                with path.open("wb") as copy:
                    copy.writelines(blocks)
            yield path

    def _blocks(self, key: str, data: memoryview, start: int, end: int, version: str | None) -> Iterator[bytes]:
        while True:
            for at in range(0, len(data), BLOCK):
                yield bytes(data[at : at + BLOCK])
            start += len(data)
            if start >= end:
                return
            data, _, _ = self._fetch(key, start, end, version)

    def _fetch(
        self, key: str, start: int, end: int | None, version: str | None = None
    ) -> tuple[memoryview, int, str | None]:
        """At most `FETCH` bytes, the size of the whole file, and its version. Only of `version`, if that is given."""
        options: GetOptions = {"range": (start, start + FETCH if end is None else min(end, start + FETCH))}
        if version:
            options["if_match"] = version
        with translated(key):
            try:
                found = obstore.get(self._store, checked(key), options=options)
                return memoryview(found.bytes()), found.meta["size"], found.meta["e_tag"]
            except BaseError as error:
                if status_of(error) == PAST_THE_END:
                    raise _PastTheEnd from error
                raise


class S3Writer:
    """`demixer.ports.FileWriter`. After an error only `abort` is possible: obstore does not send a lost part again."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._key, self._broken = key, False
        self._file = obstore.open_writer(store, key, buffer_size=PART, max_concurrency=2)

    def write(self, data: bytes) -> None:
        with self._unbroken():
            self._file.write(data)

    def commit(self) -> None:
        with self._unbroken():
            self._file.close()

    def abort(self) -> None:
        """Ends as a `with` block that raises: obstore then aborts the multipart upload."""
        if not self._file.closed():
            with suppress(BaseError, OSError):
                self._file.__exit__(InterruptedError, InterruptedError(), None)

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        if self._broken:
            raise Transient(key=self._key, reason="a part of it could not be stored")
        self._broken = True
        with translated_while_writing(self._key):
            yield
        self._broken = False


class _PastTheEnd(Exception):
    """There is a file, but it ends before the bytes that were asked for."""
