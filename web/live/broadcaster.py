"""Who waits for what, and who tells them: one thread per process follows the event log and wakes the listeners.

A listener is told names, not states: what it hears of is looked up when it gets round to it. So a burst of events about
one upload costs one look, and a lost event costs nothing but time (`REFRESH_SECONDS`).
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

from demixer.domain import Event
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Message, Uploads
from schemas import codec
from schemas.errors import BadEvent

TOPICS = ("uploads", "matching", "separations", "songs", "progress")
QUEUE_MOVES = ("separation.requested", "song.separated", "song.failed", "song.removed", "upload.withdrawn")
REFRESH_SECONDS = 15.0  # the longest silence on a stream
GAP_SECONDS = 0.25  # the shortest time between two looks of one listener
POLL_SECONDS = 1.0  # how soon the thread notices that it should stop
RECOVER_SECONDS = 1.0  # after an engine failed

log = logging.getLogger(__name__)


@dataclass(slots=True)
class News:
    """What changed since a listener last looked. All empty: nothing, time to look again anyway."""

    uploads: set[str] = field(default_factory=set)
    song: bool = False  # the song that the listener follows
    queue: bool = False  # places in the queue

    def __bool__(self) -> bool:
        return bool(self.uploads) or self.song or self.queue


class Listener:
    """One open page. Told by the hub's thread, read by the thread of its request."""

    def __init__(self, person_id: str | None, song_id: str | None) -> None:
        self.person_id, self.song_id = person_id, song_id
        self._changed = threading.Condition()
        self._news = News()
        self._over = threading.Event()

    def tell(self, *, upload_id: str | None = None, song: bool = False, queue: bool = False) -> None:
        with self._changed:
            if upload_id:
                self._news.uploads.add(upload_id)
            self._news.song |= song
            self._news.queue |= queue
            self._changed.notify()

    def wait(self) -> News | None:
        """What is new, at the latest after `REFRESH_SECONDS`; None when the stream should end."""
        self._over.wait(GAP_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._over.is_set(), REFRESH_SECONDS)
            news, self._news = self._news, News()
        return None if self._over.is_set() else news

    def end(self) -> None:
        self._over.set()
        with self._changed:
            self._changed.notify()


class Hub:
    """Its thread starts with the first listener, thus after a fork, and ends with `stop`.

    `count` is told how many listen, whenever that changes.
    """

    def __init__(
        self, events: EventLog, uploads: Uploads, limit: int, count: Callable[[int], object] = lambda listeners: None
    ) -> None:
        self._events, self._uploads, self._limit, self._count = events, uploads, limit, count
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._following = threading.Event()

    def join(self, person_id: str | None, song_id: str | None) -> Listener:
        """Raises `Transient` when this process has no room for another listener, or is about to end.

        Whoever looks at the present state after this misses nothing: the log is being followed by then.
        """
        listener = Listener(person_id, song_id)
        with self._lock:
            if self._stopping.is_set() or len(self._listeners) >= self._limit:
                raise Transient
            self._listeners.add(listener)
            self._count(len(self._listeners))
            self._start()
        self._following.wait(RECOVER_SECONDS)
        return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)
            self._count(len(self._listeners))

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

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """Whatever an engine raises, the next attempt is a second away: pages must not go quiet for good."""
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
                listener.tell(song=True, queue=True)  # whatever was said while nobody listened
            while not self._stopping.is_set():
                message = subscription.poll(POLL_SECONDS)
                if message is not None and self._listeners:
                    self._pass_on(message)

    def _pass_on(self, message: Message) -> None:
        try:
            event = codec.decode(message.value)
        except BadEvent:
            return  # consumers put it aside; here it is nobody's news
        uploads = self._concerned(event)
        song_id = _song_id(event)
        moves = event.type in QUEUE_MOVES
        for listener in self._all():
            song = song_id is not None and listener.song_id == song_id
            for upload_id in uploads.get(listener.person_id or "", ()):
                listener.tell(upload_id=upload_id)
            if song or moves:
                listener.tell(song=song, queue=moves)

    def _concerned(self, event: Event) -> dict[str, list[str]]:
        """Upload ids by person: the upload that the event is about, and all that wait for its song."""
        found: dict[str, list[str]] = {}
        for person_id, upload_id in self._uploads_of(event):
            found.setdefault(person_id, []).append(upload_id)
        return found

    def _uploads_of(self, event: Event) -> Iterable[tuple[str, str]]:
        uploads = self._uploads
        if upload_id := getattr(event.data, "upload_id", None):
            upload = uploads.get(upload_id)
            return [(upload.person_id, upload.id)] if upload else []
        song_id = _song_id(event)
        return [(upload.person_id, upload.id) for upload in uploads.of_song(song_id)] if song_id else []

    def _all(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)


def _song_id(event: Event) -> str | None:
    """Of the song that the event is about, if it is about one."""
    song_id: str | None = getattr(event.data, "song_id", None)
    return song_id
