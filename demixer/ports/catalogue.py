"""The catalogue: uploads, songs, separations, libraries, analyses, workers, and the outbox of their events.

`save` is a compare-and-swap: version 0 inserts, anything else replaces exactly that version; otherwise `Conflict`.
It returns what was stored, with the next version. The events go into the outbox in the same transaction: either both
are stored or neither. `demixer.services.outbox` publishes them at least once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from demixer.domain import Analysis, Event, Separation, SeparationState, SeparationWorker, Song, Upload, UploadState


class Uploads(Protocol):
    def get(self, upload_id: str) -> Upload | None: ...

    def get_many(self, upload_ids: Collection[str]) -> Mapping[str, Upload]:
        """Those that exist, by id, in one query."""

    def save(self, upload: Upload, events: Sequence[Event] = ()) -> Upload: ...

    def of_person(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Upload]:
        """The person's uploads that are not hidden, newest first."""

    def of_song(self, song_id: str) -> Sequence[Upload]:
        """All uploads that joined this song and are not cancelled, oldest first, hidden ones too."""

    def waiting_for(self, key: str) -> Sequence[Upload]:
        """The open uploads whose `waiting_for` is `key`, the longest untouched first. By an index, not by a scan."""

    def in_state(self, states: Sequence[UploadState], *, updated_before: datetime) -> Sequence[Upload]:
        """At most 1,000, the longest untouched first."""


class Songs(Protocol):
    def get(self, song_id: str) -> Song | None:
        """Also a removed one: look at `state`."""

    def get_many(self, song_ids: Collection[str]) -> Mapping[str, Song]:
        """Those that exist, removed ones too, by id, in one query."""

    def save(self, song: Song, events: Sequence[Event] = ()) -> Song: ...

    def by_file(self, sha256: str) -> Song | None:
        """The song, not removed, that a file with these bytes brought or joined (`link_file`)."""

    def link_file(self, sha256: str, song_id: str) -> None:
        """From now on these bytes are this song. Linking again replaces."""

    def linked_song(self, sha256: str) -> Song | None:
        """The song that these bytes were linked to last, also a removed one."""

    def list_visible(self, *, order: str, limit: int, offset: int = 0, prefix: str = "") -> Sequence[Song]:
        """Those that are `Song.is_visible`. `order`: `newest`, `most-played`, or `id` (stable, for reading all).

        `prefix`: only those whose artist, album or title begins so, without case or accents. Used while the search
        engine is down.
        """

    def count_play(self, song_id: str) -> None:
        """Count one play, without touching `version`."""


class Separations(Protocol):
    def get(self, separation_id: str) -> Separation | None: ...

    def get_many(self, separation_ids: Collection[str]) -> Mapping[str, Separation]:
        """Those that exist, by id, in one query."""

    def save(self, separation: Separation, events: Sequence[Event] = ()) -> Separation: ...

    def of_song(self, song_id: str) -> Sequence[Separation]:
        """Oldest first."""

    def in_state(self, states: Sequence[SeparationState]) -> Sequence[Separation]:
        """In the order they were requested in: the queue."""

    def queue_position(self, separation: Separation) -> int:
        """Its position among those requested and not begun: 1 is next."""

    def queue_positions(self, separation_ids: Collection[str]) -> Mapping[str, int]:
        """As `queue_position`, of those that are requested and not begun, in one query."""

    def queue_length(self) -> tuple[int, datetime | None]:
        """How many are requested and not begun, and when the first of them was requested."""


class Libraries(Protocol):
    def add(self, person_id: str, song_id: str, at: datetime) -> None: ...

    def remove(self, person_id: str, song_id: str) -> None: ...

    def songs(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
        """The songs in the library that are not removed, the last added first. Merged songs are given as they are."""

    def contains(self, person_id: str, song_id: str) -> bool: ...


class Analyses(Protocol):
    """What was measured of files, by their SHA-256. Saving again replaces."""

    def get(self, analysis_id: str) -> Analysis | None: ...

    def save(self, analysis: Analysis) -> None: ...


class Workers(Protocol):
    """What the separation workers said they can do."""

    def save(self, worker: SeparationWorker) -> None:
        """Replaces what a worker of this id said before."""

    def all(self) -> Sequence[SeparationWorker]:
        """In the order of their ids, those that ended too: look at `updated_at`."""


class Outbox(Protocol):
    def pending(self, limit: int = 100) -> Sequence[Event]:
        """Events saved with a change and not published yet, in the order they were saved.

        An event that was saved twice is given once. Each event has the version that it was saved in.
        """

    def mark_published(self, event_ids: Sequence[str]) -> None:
        """Remove the events from the outbox. Unknown ids are ignored, so it may be repeated."""


class Catalogue(Protocol):
    uploads: Uploads
    songs: Songs
    separations: Separations
    libraries: Libraries
    analyses: Analyses
    workers: Workers
    outbox: Outbox

    def close(self) -> None: ...
