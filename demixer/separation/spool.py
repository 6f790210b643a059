"""Sound that is too long to keep in memory: float32 samples in a temporary file without a name.

Plain reads and writes rather than a memory map: mapped pages count as the process's memory, and a two-hour song would
look like gigabytes. The file has no name (where the system allows it), so that not even `kill -9` leaves it behind.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

BLOCK = 1 << 17  # frames, 3 s at 44.1 kHz: a megabyte of stereo


class Spool:
    """Samples of shape `(rows, frames)`: appended at the end, read anywhere."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.rows = rows
        self.frames = 0
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by `close`

    def append(self, block: Samples) -> None:
        if not block.size:
            return
        data = np.ascontiguousarray(block.T, dtype="<f4").data.cast("B")
        self._file.seek(self.frames * self.rows * 4)
        self._write(data)
        self.frames += block.shape[1]

    def read(self, start: int, end: int) -> Samples:
        """Frames `start` to `end`, shape `(rows, end - start)`; both lie within what was appended."""
        data = np.empty((end - start, self.rows), dtype="<f4")
        self._file.seek(start * self.rows * 4)
        self._fill(data.data.cast("B"))
        return np.ascontiguousarray(data.T)

    def blocks(self) -> Iterator[Samples]:
        for start in range(0, self.frames, BLOCK):
            yield self.read(start, min(start + BLOCK, self.frames))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) :]

    def _fill(self, target: memoryview) -> None:
        while target:
            count = self._file.readinto(target)
            if not count:
                raise EOFError("the spool is shorter than what was appended")
            target = target[count:]
