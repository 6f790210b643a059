"""The composition root: from the settings to open adapters. The only module that names adapters.

One table a port goes from the scheme of a URL to the adapter behind it. An adapter's module, and the driver in it, is
imported when it is chosen. An unknown scheme is an error at start.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from demixer.domain.errors import ConfigurationError
from demixer.ports import Accounts, Catalogue, EventLog, Files, FingerprintIndex, NameLookup, SearchIndex
from demixer.ports.table_export import TableExport
from demixer.runtime.settings import Settings, without_password
from demixer.services.analyses import UploadAnalyses
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.capabilities import Capabilities
from demixer.services.comparisons import Comparisons
from demixer.services.duplicates import Duplicates
from demixer.services.file_analyser import FileAnalyser
from demixer.services.health import Health, checks_of
from demixer.services.lookups import FingerprintLookup
from demixer.services.matching import Matching
from demixer.services.merging import Merging
from demixer.services.naming import Naming
from demixer.services.relations import Relations
from demixer.services.removals import Removals
from demixer.services.separations import SeparationQueue
from demixer.services.songs import SongCatalogue
from demixer.services.takedowns import Takedowns
from demixer.services.unit_of_work import OutboxRelay, UnitOfWork
from demixer.services.uploads import Uploads

Engine = TypeVar("Engine")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The open engines that the settings name, and the clock."""

    settings: Settings
    events: EventLog
    catalogue: Catalogue
    accounts: Accounts
    files: Files
    search: SearchIndex
    fingerprints: FingerprintIndex
    clock: Callable[[], datetime] = utc_now

    def close(self) -> None:
        for engine in (self.events, self.catalogue, self.accounts, self.search, self.fingerprints):
            engine.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every use case, each with the ports it needs. Only entry points hold this; no use case is handed it."""

    adapters: Adapters
    work: UnitOfWork
    relay: OutboxRelay
    canonical: CanonicalSongs
    uploads: Uploads
    upload_analyses: UploadAnalyses
    analyser: FileAnalyser
    comparisons: Comparisons
    relations: Relations
    separations: SeparationQueue
    removals: Removals
    takedowns: Takedowns
    matching: Matching
    songs: SongCatalogue
    naming: Naming
    merging: Merging
    lookup: FingerprintLookup
    duplicates: Duplicates
    capabilities: Capabilities

    @property
    def settings(self) -> Settings:
        return self.adapters.settings

    @property
    def events(self) -> EventLog:
        return self.adapters.events

    @property
    def catalogue(self) -> Catalogue:
        return self.adapters.catalogue

    @property
    def accounts(self) -> Accounts:
        return self.adapters.accounts

    @property
    def files(self) -> Files:
        return self.adapters.files

    @property
    def search(self) -> SearchIndex:
        return self.adapters.search

    @property
    def fingerprints(self) -> FingerprintIndex:
        return self.adapters.fingerprints

    @property
    def clock(self) -> Callable[[], datetime]:
        return self.adapters.clock

    def health(self, *, needed: Collection[str]) -> Health:
        """`needed`: the engines that the process cannot work without."""
        engines = self.adapters
        checks = checks_of(engines.catalogue, engines.accounts, engines.files, engines.events, engines.search)
        return Health(checks, needed=needed)

    def flush(self) -> None:
        """Publish what this process saved: after each request, after each message."""
        self.work.flush()

    def close(self) -> None:
        self.adapters.close()


def open_services(settings: Settings) -> Services:
    """Open every engine that the settings name. Raises `ConfigurationError` for a URL nobody knows."""
    return build_services(open_adapters(settings))


@contextmanager
def services_of(settings: Settings) -> Iterator[Services]:
    """Open services that are flushed and closed at the end: for a command."""
    services = open_services(settings)
    try:
        yield services
        services.flush()
    finally:
        services.close()


def open_adapters(settings: Settings) -> Adapters:
    return Adapters(
        settings=settings,
        events=open_events(settings.events_url),
        catalogue=open_catalogue(settings.catalogue_url),
        accounts=open_accounts(settings.accounts_url),
        files=open_files(settings.files_url, settings.files_public_url),
        search=open_search(settings.search_url),
        fingerprints=open_fingerprints(settings.catalogue_url),
    )


def build_services(adapters: Adapters) -> Services:
    catalogue, files, clock, settings = adapters.catalogue, adapters.files, adapters.clock, adapters.settings
    work = UnitOfWork(catalogue.outbox, adapters.events)
    canonical = CanonicalSongs(catalogue.songs)
    comparisons = Comparisons(catalogue.songs, catalogue.separations, adapters.fingerprints, files)
    relations = Relations(catalogue.songs, canonical, work, clock)
    separations = SeparationQueue(catalogue, files, work, clock)
    removals = Removals(catalogue, files, adapters.fingerprints, separations, work, clock)
    capabilities = Capabilities(catalogue.workers, clock)
    upload_analyses = UploadAnalyses(catalogue.uploads, catalogue.analyses, files, work, clock)
    songs = SongCatalogue(catalogue, files, adapters.search, canonical, relations, work, clock)
    return Services(
        adapters=adapters,
        work=work,
        relay=OutboxRelay(catalogue.outbox, adapters.events),
        canonical=canonical,
        uploads=Uploads(catalogue, files, canonical, separations, work, clock, max_bytes=settings.max_upload_bytes),
        upload_analyses=upload_analyses,
        analyser=FileAnalyser(
            catalogue.analyses, catalogue.songs, files, comparisons, max_minutes=settings.max_minutes
        ),
        comparisons=comparisons,
        relations=relations,
        separations=separations,
        removals=removals,
        takedowns=Takedowns(catalogue, files, adapters.fingerprints, separations, work, clock),
        matching=Matching(
            catalogue,
            files,
            adapters.fingerprints,
            upload_analyses,
            comparisons,
            relations,
            separations,
            removals,
            capabilities,
            work,
            clock,
        ),
        songs=songs,
        naming=Naming(catalogue.songs, songs, open_names(settings.acoustid_api_key), work, clock),
        merging=Merging(catalogue.songs, canonical, work, clock),
        lookup=FingerprintLookup(comparisons, canonical),
        duplicates=Duplicates(catalogue.songs, catalogue.separations, comparisons, canonical),
        capabilities=capabilities,
    )


def open_names(api_key: str) -> NameLookup | None:
    """None without a key: nobody is asked."""
    if not api_key:
        return None
    from demixer.adapters.acoustid.names import look_up

    return partial(look_up, api_key)


def reindex(catalogue: Catalogue, search: SearchIndex) -> int:
    """The search index made anew from the catalogue, while searches and changes go on. Returns how many songs it
    holds."""
    from search.documents import documents

    return search.rebuild(documents(catalogue))


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


def open_catalogue_export(url: str) -> TableExport:
    return _open(url, "CATALOGUE_URL", {"sqlite": _sqlite_catalogue_export, **_mongodb(_mongo_catalogue_export)})


def open_accounts_export(url: str) -> TableExport:
    return _open(url, "ACCOUNTS_URL", {"sqlite": _sqlite_accounts_export, **_mongodb(_mongo_accounts_export)})


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


def _sqlite_catalogue_export(url: str) -> TableExport:
    from demixer.adapters.sqlite import database, table_export

    return table_export.catalogue(database.path_of(url, "CATALOGUE_URL"))


def _sqlite_accounts_export(url: str) -> TableExport:
    from demixer.adapters.sqlite import database, table_export

    return table_export.accounts(database.path_of(url, "ACCOUNTS_URL"))


def _mongo_catalogue_export(url: str) -> TableExport:
    from demixer.adapters.mongo import table_export

    return table_export.catalogue(url)


def _mongo_accounts_export(url: str) -> TableExport:
    from demixer.adapters.mongo import table_export

    return table_export.accounts(url)
