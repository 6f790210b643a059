"""`maintenance`: what keeps the promises after a process was killed at a bad moment. A timer, not a topic.

Everything here may run in several processes at once, at any time, and again.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

from consumers.framework.periodic import PeriodicTask, Timer
from consumers.separation_leases import EXPIRY_SECONDS
from consumers.staleness import Staleness
from demixer.domain import Separation, SeparationState, Song, Upload, UploadState, song_id_of
from demixer.domain.uploads import FOR_A_WORKER
from demixer.ports import Catalogue, EventLog, Files, SearchIndex, SongDocument, Songs
from demixer.services.capabilities import Capabilities
from demixer.services.removals import Removals
from demixer.services.separations import SeparationQueue
from demixer.services.unit_of_work import OutboxRelay
from demixer.services.uploads import Uploads
from schemas.topics import all_topics

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOST_SECONDS = 60.0  # without a change and without an event under way: the event was lost
STALE_SECONDS = 6 * 3600.0  # without a change, whatever is under way
KEPT = 7 * DAY  # exports, and the samples of uploads that wait
MOST_PLAYED = 200  # songs whose plays are brought into the index
AWAITED = (  # uploads in this state wait for this group to go on, with an event of this topic
    (UploadState.RECEIVED, "fingerprint", "uploads"),
    (UploadState.FINGERPRINTING, "fingerprint", "uploads"),
    (UploadState.FINGERPRINTED, "match", "matching"),
)

log = logging.getLogger(__name__)


def timer(
    catalogue: Catalogue,
    events: EventLog,
    files: Files,
    search: SearchIndex,
    relay: OutboxRelay,
    uploads: Uploads,
    separations: SeparationQueue,
    removals: Removals,
    capabilities: Capabilities,
    now: Callable[[], datetime],
    clock: Callable[[], float] = time.monotonic,
) -> Timer:
    leases = StaleLeaseReaper(catalogue, separations, clock)
    lost = LostEventRepublisher(catalogue, events, uploads, separations, capabilities, now, clock)
    left_over = LeftOverFiles(catalogue, files, removals, now)
    tasks = [
        PeriodicTask("outbox", 1, lambda: publish_abandoned(relay)),
        PeriodicTask("stale leases", 2, leases.reclaim),
        PeriodicTask("lost events", 60, lost.republish),
        PeriodicTask("topics", 600, lambda: trim(events, now)),
        PeriodicTask("plays", 600, lambda: refresh_plays(catalogue.songs, search)),
        PeriodicTask("files", 3600, left_over.remove),
    ]
    return Timer("maintenance", tasks, clock)


def publish_abandoned(relay: OutboxRelay) -> None:
    if published := relay.publish_abandoned():
        log.info("published %d events that were left in the outbox", published)


def trim(events: EventLog, now: Callable[[], datetime]) -> None:
    for topic in all_topics().values():
        if topic.retention_hours is not None:
            events.trim(topic.name, now() - topic.retention_hours * HOUR)


def refresh_plays(songs: Songs, search: SearchIndex) -> None:
    """A play changes no song, so no event tells the index of it."""
    most_played = songs.list_visible(order="most-played", limit=MOST_PLAYED)
    search.put([SongDocument.of(song) for song in most_played])


class LeftOverFiles:
    """Files that nothing refers to, a day after they were written; exports and samples after a week."""

    def __init__(self, catalogue: Catalogue, files: Files, removals: Removals, now: Callable[[], datetime]) -> None:
        self._uploads, self._songs = catalogue.uploads, catalogue.songs
        self._files, self._removals, self._now = files, removals, now

    def remove(self) -> None:
        for key in self._older("uploads", DAY):
            if not self._audio_is_needed(key):
                self._remove(key)
        waiting = self._uploads.in_state([state for state, _, _ in AWAITED], updated_before=self._now() + DAY)
        hashes = {upload.sha256 for upload in waiting}
        for key in self._older("covers", DAY):
            if not self._cover_is_needed(key, hashes):
                self._remove(key)
        for folder in ("exports", "analyses"):
            for key in self._older(folder, KEPT):
                self._remove(key)

    def _older(self, prefix: str, age: timedelta) -> Iterator[str]:
        before = self._now() - age
        return (key for key, written in self._files.keys(prefix) if written < before)

    def _remove(self, key: str) -> None:
        log.info("removed the left-over file %s", key)
        self._files.delete(key)

    def _audio_is_needed(self, key: str) -> bool:
        """By its upload, or by the song that it made."""
        upload = self._uploads.get(key.rpartition("/")[2])
        if upload is None:
            return False
        song = self._removals.song_made_of(upload.sha256)
        return upload.audio_key == key or bool(song and song.audio_key == key)

    def _cover_is_needed(self, key: str, waiting: Collection[str]) -> bool:
        """A key is named after the file (its SHA-256), after the song, or, until version 0.1, after the upload.
        `waiting`: the SHA-256 of files that no song was made of yet."""
        name = key.rpartition("/")[2].partition(".")[0].partition("-")[0]
        upload = self._uploads.get(name)
        if name in waiting or (upload is not None and upload.is_open):
            return True
        song = self._song_of_cover(name, upload)
        return bool(song and song.cover_key == key)

    def _song_of_cover(self, name: str, upload: Upload | None) -> Song | None:
        if upload is not None:
            return self._removals.song_of(upload)
        return self._songs.get(name) or self._songs.get(song_id_of(name))


class StaleLeaseReaper:
    """Separations whose process was killed wait in the queue again, rather than seem to go on."""

    def __init__(self, catalogue: Catalogue, separations: SeparationQueue, clock: Callable[[], float]) -> None:
        self._all, self._separations, self._staleness = catalogue.separations, separations, Staleness(clock)

    def reclaim(self) -> None:
        running = self._all.in_state([SeparationState.RUNNING])
        seconds = self._staleness.of(running)
        for separation in running:
            if seconds[separation.id] >= EXPIRY_SECONDS:
                self._separations.reclaim_expired(separation)


class LostEventRepublisher:
    """Uploads and separations that stay open though no event about them is under way are published again.

    "Under way" is what their consumer has not committed yet. On a machine that is never idle that says nothing, so
    whatever was unchanged for very long is published too, once in that time.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        events: EventLog,
        uploads: Uploads,
        separations: SeparationQueue,
        capabilities: Capabilities,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._catalogue, self._events, self._uploads, self._separations = catalogue, events, uploads, separations
        self._capabilities, self._now, self._clock = capabilities, now, clock
        self._stale_uploads, self._stale_separations = Staleness(clock), Staleness(clock)
        self._republished: dict[tuple[str, int], float] = {}  # id and attempt, when

    def republish(self) -> None:
        recent = self._clock() - STALE_SECONDS
        self._republished = {key: when for key, when in self._republished.items() if when > recent}
        self._republish_uploads()
        self._republish_separations()

    def _republish_uploads(self) -> None:
        any_time = self._now() + DAY
        found = self._catalogue.uploads.in_state([state for state, _, _ in AWAITED], updated_before=any_time)
        seconds = self._stale_uploads.of(found)
        limits = {state: self._limit(group, topic) for state, group, topic in AWAITED}
        for upload in found:
            if not self._is_waiting(upload) and self._is_overdue(upload, seconds[upload.id], limits[upload.state]):
                self._uploads.republish(upload)

    def _is_waiting(self, upload: Upload) -> bool:
        """For a worker, or for the stems of a song that is on its way."""
        if upload.waiting_for == FOR_A_WORKER:
            return self._capabilities.model_for_new_songs() is None
        song = self._catalogue.songs.get(upload.waiting_for or "")
        separation = self._catalogue.separations.get(song.separation_id or "") if song else None
        return separation is not None and separation.is_open

    def _republish_separations(self) -> None:
        found = self._catalogue.separations.in_state([SeparationState.REQUESTED, SeparationState.RUNNING])
        seconds, limit = self._stale_separations.of(found), self._limit("separate", "separations")
        for separation in found:
            if self._is_overdue(separation, seconds[separation.id], limit):
                self._separations.republish(separation)

    def _limit(self, group: str, topic: str) -> float:
        """Seconds without a change. A consumer that was never there has everything still before it."""
        return LOST_SECONDS if self._events.lag(group).get(topic) == 0 else STALE_SECONDS

    def _is_overdue(self, aggregate: Upload | Separation, seconds: float, limit: float) -> bool:
        """For the first time within `STALE_SECONDS`, if that is what made it overdue."""
        key = (aggregate.id, aggregate.attempt)
        if seconds < limit or (limit == STALE_SECONDS and key in self._republished):
            return False
        self._republished[key] = self._clock()
        log.warning("%s (attempt %d) is open, but no event says so: published again", *key)
        return True
