"""The engines in use, opened from the settings, handed to every use case as one value."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from demixer import backends, outbox
from demixer.errors import Transient
from demixer.ports import Accounts, Catalogue, EventLog, Files, FingerprintIndex, SearchIndex
from demixer.settings import Settings


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
        events=backends.open_events(settings.events_url),
        catalogue=backends.open_catalogue(settings.catalogue_url),
        accounts=backends.open_accounts(settings.accounts_url),
        files=backends.open_files(settings.files_url, settings.files_public_url),
        search=backends.open_search(settings.search_url),
        fingerprints=backends.open_fingerprints(settings.catalogue_url),
    )
