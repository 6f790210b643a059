"""Sorting more numbers than memory holds: what an index is built from.

They go into 256 unnamed files by their upper bits, and each file is sorted when it is read. A billion of them take 9 GB
of disk and 0.3 GB of memory.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PART_BITS = 8


class SortedParts:
    """Numbers below 2 to the power of `bits`. A killed process leaves nothing behind in `folder` (None: the usual)."""

    def __init__(self, bits: int, folder: Path | None = None) -> None:
        self._bounds = np.arange(1, 1 << PART_BITS, dtype=np.uint64) << np.uint64(bits - PART_BITS)
        self._files = [tempfile.TemporaryFile(dir=folder, buffering=0) for _ in range(1 << PART_BITS)]  # noqa: SIM115

    def add(self, numbers: NDArray[np.uint64]) -> None:
        ranked = np.sort(numbers)
        for file, part in zip(self._files, np.split(ranked, np.searchsorted(ranked, self._bounds)), strict=True):
            file.write(part.tobytes())

    def __iter__(self) -> Iterator[NDArray[np.uint64]]:
        """All of them, ascending from part to part and within each."""
        for file in self._files:
            file.seek(0)
            yield np.sort(np.frombuffer(file.read(), dtype=np.uint64))

    def close(self) -> None:
        for file in self._files:
            file.close()
