"""SQLite for the embedded engines: write-ahead log, immediate transactions, numbered migrations, our errors.

Connections come from a small pool instead of one per thread: the web server has hundreds of threads, and a connection
holds two or three file descriptors. A process that was forked starts a pool of its own; connections inherited from its
parent are kept, never used and never closed, as SQLite demands (https://www.sqlite.org/howtocorrupt.html, section 2.6).
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from demixer.domain.errors import ConfigurationError, DemixerError, StorageFull, Transient

BUSY_SECONDS = 15.0  # how long a writer of one process waits for a writer of another
CONNECTIONS = 16  # at work at once, per process and database; more threads wait for one
SCHEME = "sqlite:///"


def path_of(url: str, variable: str) -> Path:
    """The file that `sqlite:////absolute.db` or `sqlite:///relative.db` names."""
    path = url.removeprefix(SCHEME)
    if path in (url, ""):
        raise ConfigurationError(variable=variable, hint=f"{url!r} should look like {SCHEME}/path/to/file.db")
    return Path(path)


class Database:
    """One database file, for all threads of a process, beside other processes. `variable` named it, for error messages.

    `migrations[n]` is the script that makes schema version n+1 (`PRAGMA user_version`). Scripts are only ever added.
    `prepare` is called with every new connection, to register functions or set pragmas.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str],
        *,
        variable: str,
        prepare: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        self.path, self._variable, self._prepare = path, variable, prepare
        self._pools: dict[int, _Pool] = {}  # by process id; those of a parent stay, unused
        with self._configuration_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._migrate(migrations)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection outside any transaction: every statement sees the newest state."""
        with _translated(), self._pool().connection(self.connect) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a read transaction: all statements see one and the same state."""
        with self.read() as connection, _transaction(connection, "BEGIN"):
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """An immediate transaction: committed at the end, rolled back on any exception.

        `durable` survives a power cut. Without it the last moments may be lost in one (never by a killed process), and
        it is much quicker: for leases, counters and offsets, which are written again.
        """
        pool = self._pool()
        with _translated(), pool.writing, pool.connection(self.connect) as connection:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            with _transaction(connection, "BEGIN IMMEDIATE"):
                yield connection

    def rows(self, sql: str, parameters: Any = ()) -> list[sqlite3.Row]:
        with self.read() as connection:
            return connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Any = ()) -> sqlite3.Row | None:
        with self.read() as connection:
            found: sqlite3.Row | None = connection.execute(sql, parameters).fetchone()
            return found

    def data_version(self) -> int:
        """Changes whenever somebody, in any process, has committed something. Costs two microseconds: ask often."""
        with _translated():
            return self._pool().data_version(self.connect)

    def connect(self) -> sqlite3.Connection:
        """A connection of one's own, in autocommit mode, usable from any one thread at a time. The caller closes it."""
        with _translated():
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            connection.row_factory = sqlite3.Row
            if self._prepare:
                self._prepare(connection)
            return connection

    def close(self) -> None:
        """Close this process's connections; those at work close when they are done."""
        self._pool().close()

    def _pool(self) -> "_Pool":
        return self._pools.get(os.getpid()) or self._pools.setdefault(os.getpid(), _Pool())

    def _migrate(self, migrations: Sequence[str]) -> None:
        connection = self.connect()
        try:
            _switch_to_wal(connection)
            if _user_version(connection) != len(migrations):
                with _transaction(connection, "BEGIN IMMEDIATE"):  # whoever comes second finds the work done
                    self._apply(connection, migrations)
        finally:
            connection.close()

    def _apply(self, connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
        found = _user_version(connection)
        if found > len(migrations):
            hint = f"{self.path} was written by a newer version (its schema is {found}, known here: {len(migrations)})"
            raise ConfigurationError(variable=self._variable, hint=f"{hint}; update this program, or name another file")
        for script in migrations[found:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(migrations)}")

    @contextmanager
    def _configuration_errors(self) -> Iterator[None]:
        """Errors while opening that no retry helps with, as `ConfigurationError`."""
        try:
            with _translated():
                yield
        except (ConfigurationError, Transient):
            raise
        except (DemixerError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.params.get("reason")
            hint = f"cannot use {self.path} as a SQLite database: {reason}"
            raise ConfigurationError(variable=self._variable, hint=hint) from error


class _Pool:
    """The idle connections of one process. `writing` queues its writers, which would else poll for SQLite's lock."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._watch: sqlite3.Connection | None = None  # never writes: SQLite does not report a connection's own commits
        self._closed = False

    @contextmanager
    def connection(self, connect: Callable[[], sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
        with self._slots:
            with self._lock:
                self._check_open()
                connection = self._idle.pop() if self._idle else None
            connection = connection or connect()
            try:
                yield connection
            finally:
                self._release(connection)

    def data_version(self, connect: Callable[[], sqlite3.Connection]) -> int:
        with self._lock:
            self._check_open()
            self._watch = self._watch or connect()
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def _check_open(self) -> None:
        if self._closed:
            raise DemixerError(reason="used after close")

    def _release(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = [*self._idle, self._watch] if self._watch else self._idle
            self._idle, self._watch = [], None
        for connection in connections:
            connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself after a full disk
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translation(error) from error


def translation(error: sqlite3.Error) -> DemixerError:
    """Our error for one of SQLite's (https://www.sqlite.org/rescode.html). Raise it `from` the original."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull()
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return Transient(reason=str(error))
    return DemixerError(reason=str(error))


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The mode is kept in the file. Unlike a transaction, SQLite does not wait for its lock here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not isinstance(translation(error), Transient) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _user_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """One by one, since `executescript` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"a migration ends within a statement: {statement}"
