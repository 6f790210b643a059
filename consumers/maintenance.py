"""`sweep`: what keeps the promises after a process was killed at a bad moment. A timer, not a topic.

Everything here may run in several processes at once, at any time, and again.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from consumers.framework.periodic import Chore, Timer
from consumers.separation_leases import DEAD_SECONDS
from consumers.staleness import Silence
from demixer.domain import Separation, SeparationState, Upload, UploadState
from demixer.ports import SongDocument
from demixer.services import outbox, removals, separations, uploads
from demixer.wiring import House
from schemas.topics import all_topics

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SILENT = 60.0  # seconds without a change and without an event under way: the event was lost
MUTE = 6 * 3600.0  # seconds without a change, whatever is under way
EXPORTS_KEPT = 7 * DAY
MOST_PLAYED = 200  # songs whose plays are brought into the index
AWAITED = (  # uploads in this state wait for this group to go on, with an event of this topic
    (UploadState.RECEIVED, "fingerprint", "uploads"),
    (UploadState.FINGERPRINTING, "fingerprint", "uploads"),
    (UploadState.FINGERPRINTED, "match", "matching"),
)

log = logging.getLogger(__name__)


def timer(house: House, clock: Callable[[], float] = time.monotonic) -> Timer:
    lost, dead = Lost(house, clock), Dead(house, clock)
    chores = [
        Chore("outbox", 1, lambda: flush(house)),
        Chore("dead runs", 2, dead.put_back),
        Chore("lost events", 60, lost.announce),
        Chore("topics", 600, lambda: trim(house)),
        Chore("plays", 600, lambda: refresh_plays(house)),
        Chore("files", 3600, lambda: remove_left_over(house)),
    ]
    return Timer("sweep", chores, clock)


def flush(house: House) -> None:
    if flushed := outbox.flush(house.catalogue.outbox, house.events):
        log.info("published %d events that were left in the outbox", flushed)


def trim(house: House) -> None:
    for topic in all_topics().values():
        if topic.retention_hours is not None:
            house.events.trim(topic.name, house.now() - topic.retention_hours * HOUR)


def refresh_plays(house: House) -> None:
    """A play changes no song, so no event tells the index of it."""
    most_played = house.catalogue.songs.list_visible(order="most-played", limit=MOST_PLAYED)
    house.search.put([SongDocument.of(song) for song in most_played])


def remove_left_over(house: House) -> None:
    """Audio and covers that nothing refers to, a day after; exports after a week."""
    for key in _older(house, "uploads", DAY):
        if not _audio_is_needed(house, key):
            _remove(house, key)
    for key in _older(house, "covers", DAY):
        if not _cover_is_needed(house, key):
            _remove(house, key)
    for key in _older(house, "exports", EXPORTS_KEPT):
        _remove(house, key)


class Dead:
    """Separations whose process was killed wait in the queue again, rather than seem to go on."""

    def __init__(self, house: House, clock: Callable[[], float]) -> None:
        self._house, self._silence = house, Silence(clock)

    def put_back(self) -> None:
        running = self._house.catalogue.separations.in_state([SeparationState.RUNNING])
        seconds = self._silence.of(running)
        for separation in running:
            if seconds[separation.id] >= DEAD_SECONDS:
                separations.put_back_silent(self._house, separation)


class Lost:
    """Uploads and separations that stay open though no event about them is under way are announced again.

    "Under way" is what their consumer has not committed yet. On a machine that is never idle that says nothing, so
    whoever was silent for very long is announced too, once in that time.
    """

    def __init__(self, house: House, clock: Callable[[], float]) -> None:
        self._house, self._clock = house, clock
        self._uploads, self._separations = Silence(clock), Silence(clock)
        self._announced: dict[tuple[str, int], float] = {}  # id and attempt, when

    def announce(self) -> None:
        self._announced = {key: when for key, when in self._announced.items() if self._clock() - when < MUTE}
        self._announce_uploads()
        self._announce_separations()

    def _announce_uploads(self) -> None:
        catalogue, any_time = self._house.catalogue, self._house.now() + DAY
        found = catalogue.uploads.in_state([state for state, _, _ in AWAITED], updated_before=any_time)
        seconds = self._uploads.of(found)
        limits = {state: self._limit(group, topic) for state, group, topic in AWAITED}
        for upload in found:
            if not self._waits(upload) and self._overdue(upload, seconds[upload.id], limits[upload.state]):
                uploads.announce_again(self._house, upload)

    def _waits(self, upload: Upload) -> bool:
        """For the stems of a song that is on its way."""
        song = self._house.catalogue.songs.get(upload.waiting_for or "")
        separation = self._house.catalogue.separations.get(song.separation_id or "") if song else None
        return separation is not None and separation.is_open

    def _announce_separations(self) -> None:
        found = self._house.catalogue.separations.in_state([SeparationState.REQUESTED, SeparationState.RUNNING])
        seconds, limit = self._separations.of(found), self._limit("separate", "separations")
        for separation in found:
            if self._overdue(separation, seconds[separation.id], limit):
                separations.announce_again(self._house, separation)

    def _limit(self, group: str, topic: str) -> float:
        """Seconds of silence. A consumer that was never there has everything still before it."""
        return SILENT if self._house.events.lag(group).get(topic) == 0 else MUTE

    def _overdue(self, aggregate: Upload | Separation, seconds: float, limit: float) -> bool:
        """For the first time within `MUTE`, if that is what made it overdue."""
        key = (aggregate.id, aggregate.attempt)
        if seconds < limit or (limit == MUTE and key in self._announced):
            return False
        self._announced[key] = self._clock()
        log.warning("%s (attempt %d) is open, but no event says so: announced again", *key)
        return True


def _older(house: House, prefix: str, age: timedelta) -> Iterator[str]:
    before = house.now() - age
    return (key for key, written in house.files.keys(prefix) if written < before)


def _remove(house: House, key: str) -> None:
    log.info("removed the left-over file %s", key)
    house.files.delete(key)


def _audio_is_needed(house: House, key: str) -> bool:
    """By its upload, or by the song that it made."""
    upload = house.catalogue.uploads.get(key.rpartition("/")[2])
    if upload is None:
        return False
    song = removals.song_made_of(house, upload.sha256)
    return upload.audio_key == key or bool(song and song.audio_key == key)


def _cover_is_needed(house: House, key: str) -> bool:
    """By the song of the upload, or the song itself, that the key is named after (see
    `demixer.services.songs.cover_key`)."""
    name = key.rpartition("/")[2].partition(".")[0].partition("-")[0]
    upload = house.catalogue.uploads.get(name)
    if upload is not None and upload.is_open:
        return True
    song = removals.song_of(house, upload) if upload else house.catalogue.songs.get(name)
    return bool(song and song.cover_key == key)
