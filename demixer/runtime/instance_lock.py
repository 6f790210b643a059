"""What one running service has for itself: its DATA_DIR and its port. Checked before anything starts."""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from demixer.domain.errors import ConfigurationError
from demixer.runtime.settings import Settings

LOCK = "run.lock"
HEIRS_SECONDS = 10.0  # that processes of a service that was killed get to let go of the port


@contextmanager
def occupied(settings: Settings, wait: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Ours while the context lasts. Raises `ConfigurationError` naming `DATA_DIR` or `PORT` when somebody else has it.

    The lock goes with the process, and the number inside stays when it was killed: then the port may take a moment.
    """
    with _locked(settings.data_dir / LOCK) as lock:
        was_killed = bool(os.pread(lock, 20, 0))
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        _await_port(settings, HEIRS_SECONDS if was_killed else 0.0, wait)
        yield
        os.ftruncate(lock, 0)


def stopped(data_dir: Path) -> AbstractContextManager[int]:
    """Nothing runs there, and nothing starts while the context lasts. Otherwise raises as `occupied` does."""
    return _locked(data_dir / LOCK)


def check_port(settings: Settings) -> None:
    """Raises `ConfigurationError` naming `PORT` or `HOST` when nobody can listen there now."""
    _await_port(settings, 0.0, time.sleep)


def check_metrics_ports(settings: Settings, processes: int) -> None:
    """Raises `ConfigurationError` naming `METRICS_PORT` unless it is 0, or free with those after it: one a process."""
    for port in range(settings.metrics_port, settings.metrics_port + processes) if settings.metrics_port else ():
        try:
            _try_port(replace(settings, port=port))
        except OSError as error:
            hint = f"cannot listen on {settings.host} port {port}: {error.strerror}"
            raise ConfigurationError(variable="METRICS_PORT", hint=hint) from error


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - only compared
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}"


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode().strip()
        os.close(lock)
        hint = f"the service already runs in {path.parent} (process {holder}); stop it, or name another folder"
        raise ConfigurationError(variable="DATA_DIR", hint=hint) from error
    try:
        yield lock
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(variable="DATA_DIR", hint=f"cannot write {path}: {error.strerror}") from error


def _await_port(settings: Settings, seconds: float, wait: Callable[[float], object]) -> None:
    while True:
        try:
            return _try_port(settings)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or seconds <= 0:
                raise _unusable(settings, error) from error
        wait(0.1)
        seconds -= 0.1


def _try_port(settings: Settings) -> None:
    family, kind, protocol, _, where = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)


def _unusable(settings: Settings, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        hint = (
            f"{settings.port} is taken by another program; choose another one, such as PORT={settings.port % 65535 + 1}"
        )
        return ConfigurationError(variable="PORT", hint=hint)
    hint = f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
    return ConfigurationError(variable="HOST", hint=hint)
