"""Into the file store: all of it, or nothing."""

import io
from pathlib import Path
from typing import IO

from demixer.ports import Files

BLOCK = 1024 * 1024  # bytes at a time


def keep_bytes(files: Files, key: str, data: bytes) -> None:
    _keep(files, key, io.BytesIO(data))


def keep_file(files: Files, key: str, path: Path) -> None:
    with path.open("rb") as source:
        _keep(files, key, source)


def _keep(files: Files, key: str, source: IO[bytes]) -> None:
    writer = files.writer(key)
    try:
        while block := source.read(BLOCK):
            writer.write(block)
        writer.commit()
    except BaseException:
        writer.abort()
        raise
