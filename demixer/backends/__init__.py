"""From the URL of a setting to the engine behind it: one table per port. An unknown scheme is an error at start.

An engine's module, and the driver in it, is imported when it is chosen.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from demixer.errors import ConfigurationError
from demixer.ports import Accounts, Catalogue, EventLog, Files, FingerprintIndex, SearchIndex

Engine = TypeVar("Engine")


def open_events(url: str) -> EventLog:
    return _open(url, "EVENTS_URL", {"sqlite": _sqlite_events})


def open_catalogue(url: str) -> Catalogue:
    return _open(url, "CATALOGUE_URL", {"sqlite": _sqlite_catalogue})


def open_fingerprints(catalogue_url: str) -> FingerprintIndex:
    """The fingerprint index goes where the catalogue goes."""
    return _open(catalogue_url, "CATALOGUE_URL", {"sqlite": _sqlite_fingerprints})


def open_search(url: str) -> SearchIndex:
    return _open(url, "SEARCH_URL", {"sqlite": _sqlite_search})


def open_accounts(url: str) -> Accounts:
    return _open(url, "ACCOUNTS_URL", {"sqlite": _sqlite_accounts})


def open_files(url: str) -> Files:
    return _open(url, "FILES_URL", {"file": _local_files})


def _open(url: str, variable: str, engines: Mapping[str, Callable[[str], Engine]]) -> Engine:
    """Raises `ConfigurationError` naming `variable`."""
    scheme = url.partition("://")[0]
    if scheme not in engines:
        known = ", ".join(f"{name}://" for name in engines)
        raise ConfigurationError(
            variable=variable, hint=f"{url!r} names no engine we have; it should start with {known}"
        )
    return engines[scheme](url)


def _sqlite_events(url: str) -> EventLog:
    from demixer.backends import sqlite, sqlite_events
    from schemas.topics import partitions

    return sqlite_events.SqliteEvents(sqlite.path_of(url, "EVENTS_URL"), partitions=partitions)


def _sqlite_catalogue(url: str) -> Catalogue:
    from demixer.backends import sqlite, sqlite_catalogue

    return sqlite_catalogue.SqliteCatalogue(sqlite.path_of(url, "CATALOGUE_URL"))


def _sqlite_fingerprints(url: str) -> FingerprintIndex:
    """In a file of its own beside the catalogue's, so that its big transactions hold up nobody."""
    from demixer.backends import sqlite, sqlite_fingerprints

    path = sqlite.path_of(url, "CATALOGUE_URL")
    return sqlite_fingerprints.SqliteFingerprints(path.with_name(f"{path.stem}-fingerprints{path.suffix}"))


def _sqlite_search(url: str) -> SearchIndex:
    from demixer.backends import sqlite
    from search.sqlite import SqliteSearch

    return SqliteSearch(sqlite.path_of(url, "SEARCH_URL"))


def _sqlite_accounts(url: str) -> Accounts:
    from demixer.backends import sqlite, sqlite_accounts

    return sqlite_accounts.SqliteAccounts(sqlite.path_of(url, "ACCOUNTS_URL"))


def _local_files(url: str) -> Files:
    from demixer.backends import object_files

    return object_files.LocalFiles(object_files.path_of(url, "FILES_URL"))
