"""Wakes the open live pages: one thread per process follows the event log and tells each listener what changed.

A listener gets ids, not states: it reads the present state when it wakes up. So many events about one upload cost one
read, and a lost event only delays an update, by at most `REFRESH_SECONDS`.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from demixer.domain import Event
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Message, Uploads
from schemas import codec
from schemas.errors import BadEvent

TOPICS = ("uploads", "matching", "separations", "songs", "progress")
QUEUE_MOVES = ("separation.requested", "song.separated", "song.failed", "song.removed", "upload.withdrawn")
REFRESH_SECONDS = 15.0  # the longest time without a wake-up
GAP_SECONDS = 0.25  # the shortest time between two wake-ups of one listener
POLL_SECONDS = 1.0  # how soon the thread notices that it should stop
RECOVER_SECONDS = 1.0  # after an engine failed

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Changes:
    """What changed since the last wake-up. All empty: nothing did, it is time to refresh."""

    uploads: set[str] = field(default_factory=set)
    song: bool = False  # the song that the listener follows
    queue: bool = False  # positions in the queue

    def __bool__(self) -> bool:
        return bool(self.uploads) or self.song or self.queue


class Listener:
    """One open page. The thread of the broadcaster calls `notify`, the thread of its request `wait`."""

    def __init__(self, person_id: str | None, song_id: str | None) -> None:
        self.person_id, self.song_id = person_id, song_id
        self._condition = threading.Condition()
        self._changes = Changes()
        self._ended = threading.Event()

    def notify(self, *, upload_id: str | None = None, song: bool = False, queue: bool = False) -> None:
        with self._condition:
            if upload_id:
                self._changes.uploads.add(upload_id)
            self._changes.song |= song
            self._changes.queue |= queue
            self._condition.notify()

    def wait(self) -> Changes | None:
        """What changed, at the latest after `REFRESH_SECONDS`; None when the stream should end."""
        self._ended.wait(GAP_SECONDS)
        with self._condition:
            self._condition.wait_for(lambda: self._changes or self._ended.is_set(), REFRESH_SECONDS)
            changes, self._changes = self._changes, Changes()
        return None if self._ended.is_set() else changes

    def end(self) -> None:
        self._ended.set()
        with self._condition:
            self._condition.notify()


class Broadcaster:
    """Its thread starts with the first listener, thus after a fork, and ends with `stop`.

    `on_count` is called with the number of listeners whenever it changes.
    """

    def __init__(
        self, events: EventLog, uploads: Uploads, limit: int, on_count: Callable[[int], object] = lambda listeners: None
    ) -> None:
        self._events, self._uploads, self._limit, self._on_count = events, uploads, limit, on_count
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._following = threading.Event()

    def join(self, person_id: str | None, song_id: str | None) -> Listener:
        """Raises `Transient` when this process has no room for another listener, or is about to end.

        Whoever reads the present state after this misses no change: the log is being followed by then.
        """
        listener = Listener(person_id, song_id)
        with self._lock:
            if self._stopping.is_set() or len(self._listeners) >= self._limit:
                raise Transient
            self._listeners.add(listener)
            self._on_count(len(self._listeners))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-broadcaster", daemon=True)
                self._thread.start()
        self._following.wait(RECOVER_SECONDS)
        return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            self._on_count(len(self._listeners))

    def stop(self) -> None:
        """End every stream, and the thread. Safe in a signal handler's thread, and when called twice."""
        self._stopping.set()
        for listener in list(self._listeners):
            listener.end()

    def close(self) -> None:
        """`stop`, and wait for the thread: the engines can be closed then."""
        self.stop()
        if self._thread is not None:
            self._thread.join(POLL_SECONDS * 3)

    def _run(self) -> None:
        """Whatever an engine raises, the log is followed again a second later."""
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception:
                log.exception("cannot follow the events, trying again")
                self._following.clear()
                self._stopping.wait(RECOVER_SECONDS)

    def _follow(self) -> None:
        with closing(self._events.browse(TOPICS, from_start=False)) as subscription:
            self._following.set()
            for listener in self._all():
                listener.notify(song=True, queue=True)  # for events that were missed in between
            while not self._stopping.is_set():
                message = subscription.poll(POLL_SECONDS)
                if message is not None and self._listeners:
                    self._broadcast(message)

    def _broadcast(self, message: Message) -> None:
        try:
            event = codec.decode(message.value)
        except BadEvent:
            return  # for the consumers to put into their dead letters
        uploads = self._uploads_by_person(event)
        song_id = getattr(event.data, "song_id", None)
        queue = event.type in QUEUE_MOVES
        for listener in self._all():
            song = song_id is not None and listener.song_id == song_id
            for upload_id in uploads.get(listener.person_id or "", ()):
                listener.notify(upload_id=upload_id)
            if song or queue:
                listener.notify(song=song, queue=queue)

    def _uploads_by_person(self, event: Event) -> Mapping[str, list[str]]:
        """Ids, by person: of the upload that the event is about, or of all that have joined its song. One query."""
        upload_id, song_id = getattr(event.data, "upload_id", None), getattr(event.data, "song_id", None)
        if upload_id:
            upload = self._uploads.get(upload_id)
            return {upload.person_id: [upload.id]} if upload else {}
        found: dict[str, list[str]] = {}
        for upload in self._uploads.of_song(song_id) if song_id else ():
            found.setdefault(upload.person_id, []).append(upload.id)
        return found

    def _all(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)
