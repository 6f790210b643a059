"""The composition root: from the settings to open adapters. The only module that names adapters.

One table a port goes from the scheme of a URL to the adapter behind it. An adapter's module, and the driver in it, is
imported when it is chosen. An unknown scheme is an error at start.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from demixer.domain.errors import ConfigurationError, Transient
from demixer.ports import Accounts, Catalogue, EventLog, Files, FingerprintIndex, SearchIndex
from demixer.ports.table_export import TableExport
from demixer.runtime.settings import Settings, without_password
from demixer.services import outbox

Engine = TypeVar("Engine")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    settings: Settings
    events: EventLog
    catalogue: Catalogue
    accounts: Accounts
    files: Files
    search: SearchIndex
    fingerprints: FingerprintIndex
    now: Callable[[], datetime] = utc_now

    def flush(self) -> None:
        """Publish what the change just saved has to tell. Called after every change.

        Where the log is too busy the events stay in the outbox, and the sweeper publishes them a moment later: whoever
        made the change need not know.
        """
        with contextlib.suppress(Transient):
            outbox.flush(self.catalogue.outbox, self.events)

    def close(self) -> None:
        for engine in (self.events, self.catalogue, self.accounts, self.search, self.fingerprints):
            engine.close()


def open_house(settings: Settings) -> House:
    """Open every engine that the settings name. Raises `ConfigurationError` for a URL nobody knows."""
    return House(
        settings=settings,
        events=open_events(settings.events_url),
        catalogue=open_catalogue(settings.catalogue_url),
        accounts=open_accounts(settings.accounts_url),
        files=open_files(settings.files_url, settings.files_public_url),
        search=open_search(settings.search_url),
        fingerprints=open_fingerprints(settings.catalogue_url),
    )


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


def open_catalogue_dump(url: str) -> TableExport:
    return _open(url, "CATALOGUE_URL", {"sqlite": _sqlite_catalogue_dump, **_mongodb(_mongo_catalogue_dump)})


def open_accounts_dump(url: str) -> TableExport:
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
    from demixer.adapters.sqlite import database, event_log
    from schemas.topics import partitions

    return event_log.SqliteEvents(database.path_of(url, "EVENTS_URL"), partitions=partitions)


def _sqlite_catalogue(url: str) -> Catalogue:
    from demixer.adapters.sqlite import catalogue as sqlite_catalogue
    from demixer.adapters.sqlite import database

    return sqlite_catalogue.SqliteCatalogue(database.path_of(url, "CATALOGUE_URL"))


def _sqlite_fingerprints(url: str) -> FingerprintIndex:
    """In a file of its own beside the catalogue's, so that its big transactions hold up nobody."""
    from demixer.adapters.sqlite import database, fingerprint_index

    path = database.path_of(url, "CATALOGUE_URL")
    return fingerprint_index.SqliteFingerprints(path.with_name(f"{path.stem}-fingerprints{path.suffix}"))


def _sqlite_search(url: str) -> SearchIndex:
    from demixer.adapters.sqlite import database
    from search.sqlite.search_index import SqliteSearch

    return SqliteSearch(database.path_of(url, "SEARCH_URL"))


def _sqlite_accounts(url: str) -> Accounts:
    from demixer.adapters.sqlite import accounts as sqlite_accounts
    from demixer.adapters.sqlite import database

    return sqlite_accounts.SqliteAccounts(database.path_of(url, "ACCOUNTS_URL"))


def _local_files(url: str) -> Files:
    from demixer.adapters.localfs import files as object_files

    return object_files.LocalFiles(object_files.path_of(url, "FILES_URL"))


def _kafka(url: str) -> EventLog:
    from demixer.adapters.kafka.event_log import KafkaEvents
    from schemas.topics import partitions

    return KafkaEvents(url, partitions=partitions)


def _mongo_catalogue(url: str) -> Catalogue:
    from demixer.adapters.mongo.catalogue import MongoCatalogue

    return MongoCatalogue(url)


def _mongo_fingerprints(url: str) -> FingerprintIndex:
    from demixer.adapters.mongo.fingerprint_index import MongoFingerprints

    return MongoFingerprints(url)


def _mongo_accounts(url: str) -> Accounts:
    from demixer.adapters.mongo.accounts import MongoAccounts

    return MongoAccounts(url)


def _elasticsearch(url: str) -> SearchIndex:
    from search.elastic.search_index import ElasticSearch

    return ElasticSearch(url)


def _s3(url: str, public_url: str) -> Files:
    from demixer.adapters.s3.files import S3Files

    return S3Files(url, public_url)


def _sqlite_catalogue_dump(url: str) -> TableExport:
    from demixer.adapters.sqlite import database, table_export

    return table_export.catalogue(database.path_of(url, "CATALOGUE_URL"))


def _sqlite_accounts_dump(url: str) -> TableExport:
    from demixer.adapters.sqlite import database, table_export

    return table_export.accounts(database.path_of(url, "ACCOUNTS_URL"))


def _mongo_catalogue_dump(url: str) -> TableExport:
    from demixer.adapters.mongo import table_export

    return table_export.catalogue(url)


def _mongo_accounts_dump(url: str) -> TableExport:
    from demixer.adapters.mongo import table_export

    return table_export.accounts(url)
