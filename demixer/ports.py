"""The interfaces of the engines, and what each promises. Six methods a port at most, `close` apart.

Common to all: domain objects go in and come out, absence is `None`, an engine's own error is raised as one of
`demixer.errors` with the original as its cause (`Transient` when trying again may help). Every method may be called
from any thread, and from several processes at once. `close` may be called twice.

Both sides of a port (embedded and distributed) pass the same contract tests, in `tests/contract/`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from demixer.domain import Event, Person, Separation, SeparationState, Song, Upload, UploadState

# --- events ---------------------------------------------------------------------------------------------------------


Place = tuple[str, int]  # topic, by its plain name, and partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something to publish: bytes under a key. Records with the same key keep their order."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    """A record as it was read: with its place in the log."""

    partition: int
    offset: int
    time: datetime

    @property
    def place(self) -> Place:
        return self.topic, self.partition


class Subscription(Protocol):
    """One member's view of some topics, owned by one thread."""

    def poll(self, timeout: float) -> Message | None:
        """The next message of a partition that is ours and not paused, waiting up to `timeout` seconds for one.

        Calling it is also the sign of life: a member whose process ended loses its partitions to the others of its
        group within 15 s, one that lives but stopped polling within a minute. A message is given again, to whoever owns
        the partition then, until an offset past it is committed. Within a partition order holds.
        """

    def commit(self, message: Message) -> None:
        """`message` and all before it in its partition are done, for good. A no-op if the partition is not ours."""

    def pause(self, message: Message) -> None:
        """Stop handing out messages of this partition; keep it. `poll` goes on for the others."""

    def resume(self, message: Message) -> None:
        """Undo `pause`. The next `poll` of this partition starts after the last committed offset."""

    def owns(self, message: Message) -> bool:
        """Whether the partition of `message` is still ours: work for one that is not must not be committed."""

    def close(self) -> None:
        """Leave the group. What was not committed is given to the others: at once, or, where the engine expects a
        member back under its name, within 15 s."""


class EventLog(Protocol):
    """An append-only log of topics, with an offset per consumer group."""

    def publish(self, records: Sequence[Record]) -> None:
        """Append, in order. Returns when all are durable; raises `Transient` when none or only some may be."""

    def subscribe(self, topics: Sequence[str], *, group: str, member: str) -> Subscription:
        """Join `group`. A new group starts at the oldest record. Partitions are shared out among the live members;
        a `member` that comes back under its old name takes its own partitions back without waiting."""

    def browse(self, topics: Sequence[str], *, from_start: bool) -> Subscription:
        """Read alone, outside any group: from the oldest record, or only what is published from now on.

        `commit` does nothing. From the start, `poll` gives None only when all that was there at this call has been
        handed out, however short its `timeout`, and raises `Transient` where the engine stops answering before.
        """

    def lag(self, group: str) -> Mapping[str, int]:
        """How many records of each topic `group` has not committed yet, for the topics it ever subscribed to."""

    def trim(self, topic: str, before: datetime) -> int:
        """Forget the records of `topic` older than `before`, where the engine does not do so by itself, by the
        retention of its topics. Returns how many, where it can tell."""

    def create_topics(self, topics: Sequence[str]) -> Sequence[str]:
        """Make those that are not there, and add partitions to those with too few; the names of both. Only for
        engines that want it beforehand, and not needed there: `publish`, `subscribe` and `browse` make topics too."""

    def close(self) -> None: ...


# --- catalogue ------------------------------------------------------------------------------------------------------
#
# `save` is a compare-and-swap: version 0 inserts, anything else replaces exactly that version; otherwise `Conflict`.
# It returns what was stored, one version on. The events go into the outbox in the same transaction: either both are
# stored or neither. `demixer.outbox` publishes them at least once.


class Uploads(Protocol):
    def get(self, upload_id: str) -> Upload | None: ...

    def save(self, upload: Upload, events: Sequence[Event] = ()) -> Upload: ...

    def of_person(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Upload]:
        """The person's uploads that are not hidden, newest first."""

    def of_song(self, song_id: str) -> Sequence[Upload]:
        """All uploads that joined this song and are not cancelled, oldest first, hidden ones too."""

    def in_state(self, states: Sequence[UploadState], *, updated_before: datetime) -> Sequence[Upload]:
        """At most 1,000, the longest untouched first. For the sweeper."""


class Songs(Protocol):
    def get(self, song_id: str) -> Song | None:
        """Also a removed one: look at `removed`."""

    def save(self, song: Song, events: Sequence[Event] = ()) -> Song: ...

    def by_file(self, sha256: str) -> Song | None:
        """The song, not removed, that a file with these bytes brought or joined (`remember_file`)."""

    def remember_file(self, sha256: str, song_id: str) -> None:
        """From now on these bytes are this song. The last word counts."""

    def listed(self, *, order: str, limit: int, offset: int = 0, beginning: str = "") -> Sequence[Song]:
        """Those that are `Song.shown`. `order` is `newest`, `most-played`, or `id` (stable, for reading all of them).

        `beginning`: only those whose artist, album or title begins so, without case or accents. What is left of search
        while the search engine is down.
        """

    def played(self, song_id: str) -> None:
        """Count one play, without touching `version`."""


class Separations(Protocol):
    def get(self, separation_id: str) -> Separation | None: ...

    def save(self, separation: Separation, events: Sequence[Event] = ()) -> Separation: ...

    def of_song(self, song_id: str) -> Sequence[Separation]:
        """Oldest first."""

    def in_state(self, states: Sequence[SeparationState]) -> Sequence[Separation]:
        """In the order they were asked for: the queue."""

    def place(self, separation: Separation) -> int:
        """Its place among those requested and not begun: 1 is next."""

    def waiting(self) -> tuple[int, datetime | None]:
        """How many are requested and not begun, and when the first of them was asked for."""


class Libraries(Protocol):
    def add(self, person_id: str, song_id: str, at: datetime) -> None: ...

    def remove(self, person_id: str, song_id: str) -> None: ...

    def songs(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
        """The songs a person keeps, not removed, the last kept first; those that were merged too, as they are."""

    def has(self, person_id: str, song_id: str) -> bool: ...


class Outbox(Protocol):
    def pending(self, limit: int = 100) -> Sequence[Event]:
        """Events saved beside a change and not published yet, in the order they were saved."""

    def done(self, event_ids: Sequence[str]) -> None:
        """They were published. Unknown ids are ignored."""


class Catalogue(Protocol):
    uploads: Uploads
    songs: Songs
    separations: Separations
    libraries: Libraries
    outbox: Outbox

    def close(self) -> None: ...


# --- accounts -------------------------------------------------------------------------------------------------------

MIN_PASSWORD = 10  # characters; forms tell it beforehand, `Accounts.create` refuses less


class Accounts(Protocol):
    def create(self, email: str, password: str, name: str, at: datetime) -> Person:
        """Raises `Refused` ("email-taken", "email-invalid", "password-short"). E-mails are compared without case."""

    def authenticate(self, email: str, password: str) -> Person | None:
        """Takes as long for an unknown e-mail as for a wrong password."""

    def get(self, person_id: str) -> Person | None: ...

    def create_token(self, email: str, at: datetime) -> str:
        """A new API token; only its hash is kept. Raises `NotFound("no-such-account")`."""

    def by_token(self, token: str) -> Person | None: ...

    def revoke_tokens(self, person_id: str) -> None:
        """None of the person's tokens works any more. Without any, nothing happens."""

    def close(self) -> None: ...


# --- files ----------------------------------------------------------------------------------------------------------


class FileWriter(Protocol):
    """A file being written. It appears whole at `commit`, or never."""

    def write(self, data: bytes) -> None:
        """Raises `StorageFull`."""

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Leave nothing behind. May be called after `commit`, and then does nothing."""


class Links(Protocol):
    """Addresses at which the store itself gives a file, so that its bytes need not pass through us."""

    def to(self, key: str, *, media_type: str, disposition: str) -> str | None:
        """Good for an hour, for anybody who has it. None where the store gives none that a browser can reach.

        Whoever follows it gets `media_type` and `disposition` as `Content-Type` and `Content-Disposition`. Whether
        there is such a file is not looked at.
        """


class Files(Protocol):
    """Bytes under keys such as `songs/<id>/<separation>/vocals.flac`. Keys are made by us, never by a person."""

    links: Links

    def writer(self, key: str) -> FileWriter:
        """Streams: memory does not grow with the file (at most about 16 MB a writer)."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` to `end` (not included; None: to the end) in blocks.

        Raises `NotFound` before the first block.
        """

    def size(self, key: str) -> int | None:
        """In bytes; None if there is no such file."""

    def delete(self, prefix: str) -> None:
        """Everything at or below `prefix`; gone already is fine.

        `songs/ab` is the file `songs/ab` or the folder, never `songs/abc`.
        """

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """All keys below the folder `prefix` with when they were last written."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The file as a readable path on this machine while the context lasts. Raises `NotFound`."""


# --- search ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SongDocument:
    """What the search index knows of a song: a copy, derived from the catalogue, good enough to draw a result row."""

    id: str
    artist: str
    album: str
    title: str
    year: int | None
    duration: float  # seconds
    cover: bool
    plays: int
    revision: int  # Song.version: an older revision never replaces a newer one

    @classmethod
    def of(cls, song: Song) -> "SongDocument":
        return cls(
            id=song.id,
            artist=song.tags.artist,
            album=song.tags.album,
            title=song.tags.title,
            year=song.tags.year,
            duration=song.duration,
            cover=bool(song.cover),
            plays=song.plays,
            revision=song.version,
        )


Marks = Mapping[str, Sequence[tuple[int, int]]]  # of "artist", "album", "title": from where to where it was found


@dataclass(frozen=True, slots=True)
class SearchPage:
    songs: Sequence[SongDocument]
    total: int  # exact up to 1,000, then "at least"
    marks: Mapping[str, Marks] = field(default_factory=dict)  # by song


class SearchIndex(Protocol):
    def put(self, documents: Sequence[SongDocument]) -> None: ...

    def remove(self, song_ids: Sequence[str]) -> None: ...

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchPage:
        """Every word of `query` must be found in artist, album or title: without case or accents, its first letters are
        enough, and a typo in a word of four letters or more is forgiven. An exact hit comes before a forgiven one.

        `marks` tell whole words, one after the other.
        """

    def rebuild(self, documents: Iterable[SongDocument]) -> int:
        """Replace everything, at once for those who search meanwhile. Returns how many."""

    def close(self) -> None: ...


# --- fingerprints ---------------------------------------------------------------------------------------------------


class FingerprintIndex(Protocol):
    """Finds songs that may be the same recording. It proposes; `demixer.audio.fingerprint.compare` decides."""

    def add(self, song_id: str, fingerprint: bytes) -> None:
        """`fingerprint` as `Fingerprint.to_bytes` gives it. Adding again replaces."""

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        """Ids of songs, the likeliest first.

        `fingerprints`: of one recording in its phases: as it is and, better found where it was cut or delayed by parts
        of a frame, once more without its first 683 samples at 11,025 Hz (half a hop). The better phase counts for each
        song. What a look-up costs is bounded, whatever prints are in the index, and whichever are asked for.
        """

    def remove(self, song_id: str) -> None: ...

    def rebuild(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Replace everything by these songs and their fingerprints; returns how many. For a command, one at a time.

        Look-ups go on and see either the old index or the new one. Songs added meanwhile, by whomever, are kept.
        Killed on the way, it leaves the old index.
        """

    def close(self) -> None: ...
