"""Folders for work in progress, named after their process, so that what a killed one left can be told, and goes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import psutil

NAME = "demixer-work-"


@contextmanager
def folder() -> Iterator[Path]:
    """Where the system keeps temporary files; gone afterwards."""
    with TemporaryDirectory(prefix=f"{NAME}{os.getpid()}-") as path:
        yield Path(path)


def clear() -> None:
    """Remove what processes that are gone have left, and nothing of those that live."""
    for left in Path(gettempdir()).glob(f"{NAME}*"):
        pid = left.name.removeprefix(NAME).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
