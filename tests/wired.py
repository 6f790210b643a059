"""Services for tests: real engines (`tests.engines` says which), a temporary folder, and a clock that stands still."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from demixer import wiring
from demixer.adapters.sqlite.accounts import SqliteAccounts
from demixer.adapters.sqlite.database import path_of
from demixer.adapters.sqlite.event_log import SqliteEvents
from demixer.domain import Event, Person, SeparationWorker
from demixer.ports import Accounts, EventLog
from demixer.runtime.settings import Settings, load
from demixer.separation.models import model_info
from demixer.wiring import Adapters, Services, build_services
from schemas import codec
from schemas.topics import all_topics, partitions
from tests import engines

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MODEL = "spleeter-2stems"
URLS = {"events_url", "catalogue_url", "search_url", "accounts_url"}
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    """Stands still by itself: `clock()` is the time, `clock.advance(seconds)` lets some pass."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time

    def monotonic(self) -> float:
        """The same clock in seconds, for code that asks for those."""
        return self.time.timestamp()


def settings_in(folder: Path, **changes: Any) -> Settings:
    """The defaults, with everything below `folder`, or on the servers in use."""
    defaults = load({"DATA_DIR": str(folder), "SECRET_KEY": "for tests only", "PORT": "8000"})
    return replace(defaults, **{**engines.settings(folder), **changes})


@contextmanager
def services_in(folder: Path, clock: Clock | None = None, *, worker: bool = True, **changes: Any) -> Iterator[Services]:
    """Services below `folder`, closed at the end. `changes` are settings; without a `clock` one stands still."""
    services = open_in(folder, clock or Clock(), worker=worker, **changes)
    try:
        yield services
    finally:
        services.close()


def open_in(folder: Path, clock: Clock, *, worker: bool = True, **changes: Any) -> Services:
    """As `demixer.wiring.open_services`, but for the clock, and for passwords hashed in no time. `worker`: a separation
    worker has reported what it can do."""
    settings = settings_in(folder, **changes)
    if not engines.in_use and not changes.keys() & URLS:
        copy_new_databases(settings.data_dir)
    adapters = Adapters(
        settings=settings,
        events=_events(settings.events_url, clock),
        catalogue=wiring.open_catalogue(settings.catalogue_url),
        accounts=_accounts(settings.accounts_url),
        files=wiring.open_files(settings.files_url, settings.files_public_url),
        search=wiring.open_search(settings.search_url),
        fingerprints=wiring.open_fingerprints(settings.catalogue_url),
        clock=clock,
    )
    services = build_services(adapters)
    if worker:
        services.capabilities.report(a_worker(clock()))
    return services


def copy_new_databases(data_dir: Path) -> None:
    """Databases as the embedded engines make them, where there are none yet: migrating takes longer than copying."""
    for database in new_databases().glob("*.db"):
        if not (data_dir / database.name).exists():
            shutil.copyfile(database, data_dir / database.name)


@cache
def new_databases() -> Path:
    """A folder with every embedded database, migrated once in a process and empty."""
    folder = Path(tempfile.mkdtemp(prefix="demixer-new-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    wiring.open_adapters(settings_in(folder)).close()
    return folder


def a_worker(now: datetime, model: str = MODEL, **changes: Any) -> SeparationWorker:
    plain = SeparationWorker(
        id="test-1", model=model, stems=model_info(model).stems, device="CPU (2 cores)", licence="MIT", updated_at=now
    )
    return replace(plain, **changes)


def _events(url: str, clock: Clock) -> EventLog:
    if not url.startswith("sqlite:"):
        return wiring.open_events(url)
    return SqliteEvents(path_of(url, "EVENTS_URL"), partitions=partitions, clock=clock)


def _accounts(url: str) -> Accounts:
    if url.startswith("sqlite:"):
        return SqliteAccounts(path_of(url, "ACCOUNTS_URL"), CHEAP)
    from demixer.adapters.mongo.accounts import MongoAccounts

    return MongoAccounts(url, CHEAP)


def a_person(services: Services, email: str = "ana@example.com", password: str = "correct horse battery") -> Person:
    return services.accounts.create(email, password, email.partition("@")[0], services.clock())


def published(services: Services, *topics: str) -> list[Event]:
    """Every event in the log so far, of these topics or of all, in the order of each topic."""
    return [event for topic in topics or all_topics() for event in _of_topic(services, topic)]


def data_of(event: Event) -> dict[str, Any]:
    """What the event says, as JSON has it."""
    return codec.to_plain(event.data)


def _of_topic(services: Services, topic: str) -> Iterator[Event]:
    subscription = services.events.browse([topic], from_start=True)
    try:
        while message := subscription.poll(0):
            yield codec.decode(message.value)
    finally:
        subscription.close()
