"""MongoDB for our engines: one client for a process and URL, stated concerns, numbered migrations, our errors.

Opening connects to nothing, so that processes and servers may start in any order; the first use connects, and migrates.
A process that was forked gets a client of its own; the one inherited from its parent is kept, unused and not closed.

Decisions: docs/decisions/0012-mongodb.md.
"""

import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymongo
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)

from demixer.adapters.common.documents import to_text
from demixer.domain.errors import ConfigurationError, Conflict, DemixerError, StorageFull, Transient

Document = dict[str, Any]
Documents = Collection[Document]
MongoDatabase = pymongo.database.Database[Document]
Migration = Callable[[MongoDatabase], object]  # may run twice, also at once in several processes

DATABASE = "demixer"  # where the URL names none
MIGRATION_SECONDS = 600.0  # an index over a large collection takes minutes

FIXED: Mapping[str, Any] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "readPreference": "primary",
}
DEFAULTS: Mapping[str, Any] = {  # the URL may override these
    "appName": "demixer",
    "retryWrites": True,
    "serverSelectionTimeoutMS": 5_000,  # a fail-over takes a few seconds; a person does not wait longer for an answer
    "timeoutMS": 10_000,  # of a whole operation with its repeats: a server that hangs does not hang us
}

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
UNAUTHORIZED = {13, 18, 8000}  # Unauthorized, AuthenticationFailed, and Atlas' own
DISK_FULL = {14031}  # OutOfDiskSpace
# LockTimeout, MaxTimeMSExpired, WriteConflict, FailedToSatisfyReadPreference, ExceededTimeLimit, InterruptedAtShutdown
TRANSIENT = {24, 50, 112, 133, 262, 11600}


class Database:
    """The database that `url` names, for all threads of a process, beside other processes.

    `migrations[n]` makes schema version n+1 of `part`, the collections of one port; what was done is kept in the
    collection `migrations`. Migrations are only ever added. `variable` gave the URL, for error messages.
    """

    def __init__(self, url: str, part: str, migrations: Sequence[Migration], *, variable: str) -> None:
        self._url, self._part, self._migrations, self._variable = url, part, migrations, variable
        self._clients: dict[int, MongoClient[Document]] = {}  # by process id; those of a parent stay, unused
        self._locks = {os.getpid(): threading.Lock()}
        self._migrated = self._closed = False
        self._client()

    @contextmanager
    def collection(self, name: str) -> Iterator[Documents]:
        """Use it inside the `with` block only: there errors become ours, a duplicate key becomes `Conflict`."""
        with self._translated():
            database = self._database()
            if not self._migrated:
                self._migrate(database)
            yield database[name]

    def close(self) -> None:
        """The client is closed with the last `Database` of this process that uses it."""
        self._closed = True
        if self._clients.pop(os.getpid(), None):
            _shared_clients().release(self._url)

    def _database(self) -> MongoDatabase:
        return self._client().get_default_database(DATABASE)

    def _client(self) -> MongoClient[Document]:
        pid = os.getpid()
        client = self._clients.get(pid)
        if client is not None:
            return client
        with self._locks.setdefault(pid, threading.Lock()):
            if self._closed:
                raise DemixerError(reason="used after close")
            if pid not in self._clients:
                self._clients[pid] = _shared_clients().acquire(self._url, self._variable)
            return self._clients[pid]

    def _migrate(self, database: MongoDatabase) -> None:
        done = database["migrations"]
        newest = done.find_one({"part": self._part}, sort=[("number", -1)])
        found = newest["number"] if newest else 0
        if found > len(self._migrations):
            hint = f"the database holds {self._part} of a newer version (its schema is {found}, known here:"
            hint += f" {len(self._migrations)}); update this program, or name another database"
            raise ConfigurationError(variable=self._variable, hint=hint)
        for number, migration in enumerate(self._migrations[found:], start=found + 1):
            with pymongo.timeout(MIGRATION_SECONDS):
                migration(database)
            note = {"part": self._part, "number": number, "at": to_text(datetime.now(UTC))}
            done.update_one({"_id": f"{self._part} {number}"}, {"$setOnInsert": note}, upsert=True)
        self._migrated = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            raise translation(error, self._variable) from error


def indexes(wanted: Mapping[str, Sequence[IndexModel]]) -> Migration:
    """A migration that makes indexes, by collection. One that is there already is left as it is."""

    def make(database: MongoDatabase) -> None:
        for name, models in wanted.items():
            database[name].create_indexes(list(models))

    return make


def translation(error: PyMongoError, variable: str) -> DemixerError:
    """Our error for one of the driver's. Raise it `from` the original."""
    codes = _codes(error)
    if isinstance(error, DuplicateKeyError):
        return Conflict()
    if codes & UNAUTHORIZED:
        hint = f"the server does not let us in: {_reason(error)}. Check user, password and authSource in the URL"
        return ConfigurationError(variable=variable, hint=hint)
    if codes & DISK_FULL:
        return StorageFull()
    if _is_transient(error) or codes & TRANSIENT:
        return Transient(reason=f"MongoDB: {_reason(error)}")
    if isinstance(error, pymongo.errors.ConfigurationError):  # found by connecting only: a name without SRV record
        return ConfigurationError(variable=variable, hint=_reason(error))
    return DemixerError(reason=f"MongoDB: {_reason(error)}")


def _codes(error: PyMongoError) -> set[int]:
    """The server's error codes; of a bulk write, those of its single writes."""
    if isinstance(error, BulkWriteError):
        return {one["code"] for one in (*error.details["writeErrors"], *error.details["writeConcernErrors"])}
    return {error.code} if isinstance(error, OperationFailure) and error.code else set()


def _is_transient(error: PyMongoError) -> bool:
    """No connection, no primary, a timeout, or an error that the server says to retry."""
    return isinstance(error, ConnectionFailure) or error.timeout or error.has_error_label("RetryableWriteError")


def _reason(error: PyMongoError) -> str:
    """Without the driver's view of all servers, and without the server's whole answer."""
    return str(error).partition(", Timeout:")[0].partition(", full error:")[0].partition(" (configured timeouts:")[0]


class _SharedClients:
    """The clients of one process: one a URL, for as long as somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, MongoClient[Document]] = {}
        self._users: Counter[str] = Counter()

    def acquire(self, url: str, variable: str) -> MongoClient[Document]:
        with self._lock:
            if url not in self._clients:
                self._clients[url] = _new_client(url, variable)
            self._users[url] += 1
            return self._clients[url]

    def release(self, url: str) -> None:
        with self._lock:
            self._users[url] -= 1
            client = None if self._users[url] else self._clients.pop(url)
        if client is not None:
            client.close()


_SHARED: dict[int, _SharedClients] = {}  # by process id


def _shared_clients() -> _SharedClients:
    return _SHARED.get(os.getpid()) or _SHARED.setdefault(os.getpid(), _SharedClients())


def _new_client(url: str, variable: str) -> MongoClient[Document]:
    """Connects to nothing yet."""
    defaults = {name: value for name, value in DEFAULTS.items() if f"{name}=".lower() not in url.lower()}
    with _configuration_errors(variable), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # an option that the driver does not know, or cannot read
        client: MongoClient[Document] = MongoClient(url, connect=False, **defaults, **FIXED)
        client.get_default_database(DATABASE)
        return client


@contextmanager
def _configuration_errors(variable: str) -> Iterator[None]:
    """Errors of the URL as `ConfigurationError`, without the driver's text where that may quote the password."""
    try:
        yield
    except (UserWarning, OSError) as error:
        raise ConfigurationError(variable=variable, hint=f"MongoDB's driver says: {error}") from error
    except (PyMongoError, ValueError, TypeError):
        hint = "not a URL that MongoDB takes; it should look like mongodb://user:password@host:27017/database?option=…"
        hint += ", with every / : @ ? # % of the password written as %2F %3A %40 %3F %23 %25"
        raise ConfigurationError(variable=variable, hint=hint) from None
