"""From the URL of a setting to the engine behind it: one table per port. An unknown scheme is an error at start.

An engine's module, and the driver in it, is imported when it is chosen.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from demixer.dumps import Dump
from demixer.errors import ConfigurationError
from demixer.ports import Accounts, Catalogue, EventLog, Files, FingerprintIndex, SearchIndex
from demixer.settings import without_password

Engine = TypeVar("Engine")


def open_events(url: str) -> EventLog:
    return _open(url, "EVENTS_URL", {"sqlite": _sqlite_events, "kafka": _kafka, "kafka+ssl": _kafka})


def open_catalogue(url: str) -> Catalogue:
    return _open(url, "CATALOGUE_URL", {"sqlite": _sqlite_catalogue, **_mongodb(_mongo_catalogue)})


def open_fingerprints(catalogue_url: str) -> FingerprintIndex:
    """The fingerprint index goes where the catalogue goes."""
    return _open(catalogue_url, "CATALOGUE_URL", {"sqlite": _sqlite_fingerprints, **_mongodb(_mongo_fingerprints)})


def open_search(url: str) -> SearchIndex:
    elastic = {"elasticsearch": _elasticsearch, "elasticsearch+https": _elasticsearch}
    return _open(url, "SEARCH_URL", {"sqlite": _sqlite_search, **elastic})


def open_accounts(url: str) -> Accounts:
    return _open(url, "ACCOUNTS_URL", {"sqlite": _sqlite_accounts, **_mongodb(_mongo_accounts)})


def open_files(url: str, public_url: str = "") -> Files:
    """`public_url`: where browsers reach the store, "" where they do not."""
    return _open(url, "FILES_URL", {"file": _local_files, "s3": lambda url: _s3(url, public_url)})


def open_catalogue_dump(url: str) -> Dump:
    return _open(url, "CATALOGUE_URL", {"sqlite": _sqlite_catalogue_dump, **_mongodb(_mongo_catalogue_dump)})


def open_accounts_dump(url: str) -> Dump:
    return _open(url, "ACCOUNTS_URL", {"sqlite": _sqlite_accounts_dump, **_mongodb(_mongo_accounts_dump)})


def _open(url: str, variable: str, engines: Mapping[str, Callable[[str], Engine]]) -> Engine:
    """Raises `ConfigurationError` naming `variable`, also where the driver is not installed."""
    scheme = url.partition("://")[0]
    if scheme not in engines:
        known = ", ".join(f"{name}://" for name in engines)
        hint = f"{without_password(url)!r} names no engine we have; it should start with {known}"
        raise ConfigurationError(variable=variable, hint=hint)
    try:
        return engines[scheme](url)
    except ModuleNotFoundError as error:
        hint = f"the driver {error.name} is not installed: pip install 'isolaatti-demixer[engines]'"
        raise ConfigurationError(variable=variable, hint=hint) from error


def _mongodb(open_: Callable[[str], Engine]) -> Mapping[str, Callable[[str], Engine]]:
    return {"mongodb": open_, "mongodb+srv": open_}


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


def _kafka(url: str) -> EventLog:
    from demixer.backends.kafka_events import KafkaEvents
    from schemas.topics import partitions

    return KafkaEvents(url, partitions=partitions)


def _mongo_catalogue(url: str) -> Catalogue:
    from demixer.backends.mongo_catalogue import MongoCatalogue

    return MongoCatalogue(url)


def _mongo_fingerprints(url: str) -> FingerprintIndex:
    from demixer.backends.mongo_fingerprints import MongoFingerprints

    return MongoFingerprints(url)


def _mongo_accounts(url: str) -> Accounts:
    from demixer.backends.mongo_accounts import MongoAccounts

    return MongoAccounts(url)


def _elasticsearch(url: str) -> SearchIndex:
    from search.elastic import ElasticSearch

    return ElasticSearch(url)


def _s3(url: str, public_url: str) -> Files:
    from demixer.backends.s3_files import S3Files

    return S3Files(url, public_url)


def _sqlite_catalogue_dump(url: str) -> Dump:
    from demixer.backends import sqlite, sqlite_dump

    return sqlite_dump.catalogue(sqlite.path_of(url, "CATALOGUE_URL"))


def _sqlite_accounts_dump(url: str) -> Dump:
    from demixer.backends import sqlite, sqlite_dump

    return sqlite_dump.accounts(sqlite.path_of(url, "ACCOUNTS_URL"))


def _mongo_catalogue_dump(url: str) -> Dump:
    from demixer.backends import mongo_dump

    return mongo_dump.catalogue(url)


def _mongo_accounts_dump(url: str) -> Dump:
    from demixer.backends import mongo_dump

    return mongo_dump.accounts(url)
