"""The name a process goes by in a consumer group: the same after a restart, never that of another living process.

A member that comes back under its old name takes its own partitions back without waiting. So each process takes the
lowest number that nobody holds the lock of; the lock goes with the process, however it ends.
"""

import fcntl
import itertools
import os
import socket
from pathlib import Path


class Seat:
    """Hold on to it as long as the name is used."""

    def __init__(self, folder: Path, group: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            self._lock = os.open(folder / f"{group}-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if _taken(self._lock):
                self.name = f"{socket.gethostname()}-{number}"
                return
            os.close(self._lock)

    def leave(self) -> None:
        os.close(self._lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
