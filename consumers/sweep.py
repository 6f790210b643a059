"""`sweep`: what keeps the promises after a process was killed at a bad moment. A timer, not a topic.

Everything here may run in several processes at once, at any time, and again.
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from consumers.timer import Chore, Timer
from demixer import outbox, recognition, separations, uploads
from demixer.domain import SeparationState, UploadState
from demixer.house import House
from schemas.topics import all_topics
from search.documents import document

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MUTED = timedelta(seconds=15)  # of a running separation, which is reported on every second: its process is gone
SILENT = MINUTE  # without a change and without an event under way: the event was lost
MUTE = 6 * HOUR  # without a change, whatever is under way
EXPORTS_KEPT = 7 * DAY
MOST_PLAYED = 200  # songs whose plays are brought into the index

log = logging.getLogger(__name__)


def timer(house: House, clock: Callable[[], float] = time.monotonic) -> Timer:
    lost = Lost(house)
    chores = [
        Chore("outbox", 1, lambda: flush(house)),
        Chore("dead runs", 5, lambda: put_back(house)),
        Chore("lost events", 60, lost.announce),
        Chore("topics", 600, lambda: trim(house)),
        Chore("plays", 600, lambda: refresh_plays(house)),
        Chore("files", 3600, lambda: remove_left_over(house)),
    ]
    return Timer("sweep", chores, clock)


def flush(house: House) -> None:
    if flushed := outbox.flush(house.catalogue.outbox, house.events):
        log.info("published %d events that were left in the outbox", flushed)


def put_back(house: House) -> None:
    """Separations whose process was killed wait in the queue again, rather than seem to go on."""
    silent_since = house.now() - MUTED
    for separation in house.catalogue.separations.in_state([SeparationState.RUNNING]):
        if separation.updated_at <= silent_since:
            separations.put_back(house, separation, silent_since=silent_since)


def trim(house: House) -> None:
    for topic in all_topics().values():
        if topic.retention_hours is not None:
            house.events.trim(topic.name, house.now() - topic.retention_hours * HOUR)


def refresh_plays(house: House) -> None:
    """A play changes no song, so no event tells the index of it."""
    house.search.put([document(song) for song in house.catalogue.songs.listed(order="most-played", limit=MOST_PLAYED)])


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


class Lost:
    """Uploads and separations that stay open though no event about them is under way are announced again.

    "Under way" is what their consumer has not committed yet. On a machine that is never idle that says nothing, so
    whoever was silent for very long is announced too, once in that time.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._announced: dict[tuple[str, int], float] = {}  # id and attempt, when

    def announce(self) -> None:
        fresh = {key: when for key, when in self._announced.items() if self._now() - when < MUTE.total_seconds()}
        self._announced = fresh
        self._uploads([UploadState.RECEIVED, UploadState.FINGERPRINTING], "fingerprint", "uploads")
        self._uploads([UploadState.FINGERPRINTED], "match", "matching")
        self._separations()

    def _uploads(self, states: list[UploadState], group: str, topic: str) -> None:
        silent = self._silent(group, topic)
        found = self._house.catalogue.uploads.in_state(states, updated_before=self._house.now() - silent)
        for upload in found:
            if self._first_time(upload.id, upload.attempt, silent):
                uploads.announce_again(self._house, upload)

    def _separations(self) -> None:
        silent = self._silent("separate", "separations")
        for separation in self._house.catalogue.separations.in_state(
            [SeparationState.REQUESTED, SeparationState.RUNNING]
        ):
            overdue = separation.updated_at < self._house.now() - silent
            if overdue and self._first_time(separation.id, separation.attempt, silent):
                separations.announce_again(self._house, separation)

    def _silent(self, group: str, topic: str) -> timedelta:
        """A consumer that was never there has everything still before it."""
        return SILENT if self._house.events.lag(group).get(topic) == 0 else MUTE

    def _first_time(self, id_: str, attempt: int, silent: timedelta) -> bool:
        """Within `MUTE`, if that is what made it overdue."""
        if silent == MUTE and (id_, attempt) in self._announced:
            return False
        self._announced[id_, attempt] = self._now()
        log.warning("%s (attempt %d) is open, but no event says so: announced again", id_, attempt)
        return True

    def _now(self) -> float:
        return self._house.now().timestamp()


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
    song = recognition.song_made_of(house, upload.sha256)
    return upload.audio == key or bool(song and song.audio == key)


def _cover_is_needed(house: House, key: str) -> bool:
    """By the song of the upload, or the song itself, that the key is named after (see `demixer.songs.cover_key`)."""
    name = key.rpartition("/")[2].partition(".")[0].partition("-")[0]
    upload = house.catalogue.uploads.get(name)
    if upload is not None and upload.open:
        return True
    song = recognition.song_of(house, upload) if upload else house.catalogue.songs.get(name)
    return bool(song and song.cover == key)
