"""The name of a process in a consumer group: the same after a restart, never that of another living process.

A member that comes back under its old name gets its own partitions back without waiting. So each process takes the
lowest number whose lock file nobody holds. The lock ends with the process, however that ends.
"""

import fcntl
import itertools
import os
import socket
from pathlib import Path


class MemberLease:
    """Holds `name` until `release`, or until the process ends. `folder` is shared by the processes of a machine."""

    def __init__(self, folder: Path, group: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            self._lock = os.open(folder / f"{group}-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
            else:
                self.name = f"{socket.gethostname()}-{number}"
                return

    def release(self) -> None:
        os.close(self._lock)
