"""Into the file store: all of a file, or nothing."""

import io
from pathlib import Path
from typing import IO

from demixer.ports import Files

BLOCK = 1024 * 1024  # bytes at a time


def store_bytes(files: Files, key: str, data: bytes) -> None:
    _store(files, key, io.BytesIO(data))


def store_file(files: Files, key: str, path: Path) -> None:
    with path.open("rb") as source:
        _store(files, key, source)


def _store(files: Files, key: str, source: IO[bytes]) -> None:
    writer = files.writer(key)
    try:
        while block := source.read(BLOCK):
            writer.write(block)
        writer.commit()
    except BaseException:
        writer.abort()
        raise
