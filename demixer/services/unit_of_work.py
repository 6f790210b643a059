"""How a change is stored with its events, and how the events get from the catalogue's outbox to the event log.

A change and its events are stored in one transaction, so state and events cannot disagree for good. The process that
stored them publishes them, and nothing else, when the framework calls `flush`: after a request, after a message. What
is left over (the process was killed, the log was away) is published by the maintenance consumer, `OutboxRelay`. An
event may be published twice, never lost: handlers ignore the second one.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from demixer.domain import Event
from demixer.domain.errors import Conflict, NotFound, Transient
from demixer.ports import EventLog, Outbox
from demixer.services.publishing import publish

T = TypeVar("T")
ATTEMPTS = 20  # each lost race means that another process won: this many in a row are a bug, not bad luck
OWN_LIMIT = 10_000  # events that a process keeps in mind while the log is away; the relay publishes the others
FLUSH_SECONDS = 1.0  # that a thread waits for another one which is publishing
ABANDONED_SECONDS = 3.0  # that an event stays in the outbox before the relay publishes it


class Store(Protocol[T]):
    """A collection of aggregates, such as `Catalogue.uploads`."""

    def get(self, id_: str, /) -> T | None: ...

    def save(self, value: T, events: Sequence[Event] = (), /) -> T: ...


Decision = tuple[T, Sequence[Event]] | None


class UnitOfWork:
    """Saves changes with their events, and publishes the events that this process saved. One for each process; its
    methods may be called from any thread."""

    def __init__(self, outbox: Outbox, log: EventLog) -> None:
        self._outbox, self._log = outbox, log
        self._lock, self._publishing = threading.Lock(), threading.Lock()
        self._own: list[Event] = []  # saved here, not published yet
        self._untried = False  # some of them since the last try

    def save(self, store: Store[T], value: T, events: Sequence[Event] = ()) -> T:
        """As the `save` of the store. Raises `Conflict`, and then stores nothing."""
        saved = store.save(value, events)
        if events:
            with self._lock:
                self._own = [*self._own, *events][-OWN_LIMIT:]
                self._untried = True
        return saved

    def update(self, store: Store[T], id_: str, decide: Callable[[T], Decision[T]], *, missing: str = "not-found") -> T:
        """Load, decide, save, and again if another process was quicker. None from `decide` leaves the value as it is.

        Returns what is stored in the end. Raises `NotFound(missing)` if there is nothing under `id_`.
        """
        for _ in range(ATTEMPTS):
            value = store.get(id_)
            if value is None:
                raise NotFound(missing)
            decision = decide(value)
            if decision is None:
                return value
            try:
                return self.save(store, *decision)
            except Conflict:
                continue
        raise Conflict(id=id_)

    def flush(self) -> None:
        """Publish what this process saved since the last call. Where the log is away, the first call after the next
        save does it, or the relay: whoever made the change need not know.

        One thread publishes at a time, so that the order is kept. While that takes long, the others go on.
        """
        if not self._untried or not self._publishing.acquire(timeout=FLUSH_SECONDS):
            return
        try:
            with self._lock:
                events, self._own, self._untried = self._own, [], False
            if events:
                self._publish_own(events)
        finally:
            self._publishing.release()

    def _publish_own(self, events: list[Event]) -> None:
        """What cannot be published is kept for the next try. Raises what is no `Transient`."""
        try:
            publish(self._log, events)
        except BaseException as error:
            with self._lock:
                self._own = [*events, *self._own][-OWN_LIMIT:]
            if isinstance(error, Transient):
                return
            raise
        with contextlib.suppress(Transient):
            self._outbox.mark_published([event.id for event in events])

    def publish(self, events: Sequence[Event]) -> None:
        """Straight to the log, past the outbox: for events that may be lost. Raises `Transient`."""
        publish(self._log, events)


class OutboxRelay:
    """Publishes events that nobody published for a while, oldest first. `clock` in seconds."""

    def __init__(self, outbox: Outbox, log: EventLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox, self._log, self._clock = outbox, log, clock
        self._first_seen: dict[str, float] = {}

    def publish_abandoned(self, after: float = ABANDONED_SECONDS) -> int:
        """Those that were seen in the outbox at least `after` seconds ago. Returns how many. Raises `Transient`."""
        published = 0
        while events := self._abandoned(after):
            publish(self._log, events)
            self._outbox.mark_published([event.id for event in events])
            published += len(events)
        return published

    def _abandoned(self, after: float) -> list[Event]:
        now, pending = self._clock(), self._outbox.pending()
        self._first_seen = {event.id: self._first_seen.get(event.id, now) for event in pending}
        return [event for event in pending if now - self._first_seen[event.id] >= after]
