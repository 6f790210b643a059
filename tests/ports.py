"""Ports for servers that tests start, stop and start again.

They lie below those that systems give to whoever opens a connection (from 32768 on Linux), so that nobody takes one
while its server is down. None is given twice here, nor to the tests that run beside these in one run.
"""

import os
import socket
from itertools import count

FIRST, PER_WORKER = 10_000, 2_000
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
_numbers = count(os.getpid() * 40)  # apart from other runs


def free_port() -> int:
    return next(port for port in map(_ours, _numbers) if _is_free(port))


def free_ports(number: int) -> int:
    """The first of so many that lie beside each other."""
    first = free_port()
    return first if all(free_port() == first + more for more in range(1, number)) else free_ports(number)


def _ours(number: int) -> int:
    return FIRST + _worker * PER_WORKER + number % PER_WORKER


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
