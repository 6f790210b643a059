"""The events of the domain's values. Ids derive from what happened: a repeated publish is the same event.

Each is checked against its schema as it is made, before it is stored beside a change: one in the outbox that cannot be
encoded would hold up all behind it. So each function raises `BadEvent` for values that no event can carry.
"""

from datetime import datetime
from typing import cast

from demixer.domain.ids import derived_id
from demixer.domain.separations import Separation
from demixer.domain.songs import Song
from demixer.domain.uploads import Upload
from demixer.domain.values import Failure
from schemas import codec
from schemas.errors import BadEvent
from schemas.events import (
    Event,
    EventData,
    SeparationProgressed,
    SeparationRequested,
    SongEdited,
    SongFailed,
    SongMatched,
    SongMerged,
    SongRemoved,
    SongSeparated,
    SongUnmerged,
    UploadFingerprinted,
    UploadReceived,
    UploadRejected,
    UploadWithdrawn,
)


def upload_received(upload: Upload) -> Event:
    data = UploadReceived(upload_id=upload.id, attempt=upload.attempt)
    return _event(data, upload.id, upload.updated_at, upload.attempt)


def upload_fingerprinted(upload: Upload, now: datetime) -> Event:
    """The analysis has the id of the file: its SHA-256."""
    data = UploadFingerprinted(upload_id=upload.id, attempt=upload.attempt, analysis_id=upload.sha256)
    return _event(data, upload.id, now, upload.attempt)


def upload_rejected(upload: Upload, failure: Failure, now: datetime) -> Event:
    params = dict(failure.params)
    data = UploadRejected(upload_id=upload.id, attempt=upload.attempt, code=failure.code, params=params)
    return _event(data, upload.id, now, upload.attempt)


def upload_withdrawn(upload: Upload, now: datetime) -> Event:
    return _event(UploadWithdrawn(upload_id=upload.id, song_id=upload.song_id), upload.id, now, upload.version)


def separation_requested(separation: Separation) -> Event:
    data = SeparationRequested(
        separation_id=separation.id, song_id=separation.song_id, model=separation.model, attempt=separation.attempt
    )
    return _event(data, separation.song_id, separation.updated_at, separation.id, separation.attempt)


def separation_progressed(separation: Separation) -> Event:
    data = SeparationProgressed(
        separation_id=separation.id,
        song_id=separation.song_id,
        progress=separation.progress,
        seconds_left=separation.seconds_left,
        device=separation.device,
    )
    return _event(data, separation.song_id, separation.updated_at, separation.version)


def song_matched(upload: Upload, now: datetime) -> Event:
    song_id, method = cast(str, upload.song_id), upload.matched_by
    assert method is not None
    data = SongMatched(song_id=song_id, upload_id=upload.id, match=method.value)
    return _event(data, song_id, now, upload.id, upload.attempt)


def song_separated(song: Song, separation: Separation) -> Event:
    data = SongSeparated(song_id=song.id, separation_id=separation.id)
    return _event(data, song.id, song.updated_at, separation.id, separation.attempt)


def song_failed(separation: Separation, failure: Failure, now: datetime) -> Event:
    data = SongFailed(
        song_id=separation.song_id,
        separation_id=separation.id,
        attempt=separation.attempt,
        code=failure.code,
        params=dict(failure.params),
    )
    return _event(data, separation.song_id, now, separation.id, separation.attempt)


def song_edited(song: Song) -> Event:
    return _event(SongEdited(song_id=song.id, revision=song.version), song.id, song.updated_at, song.version)


def song_removed(song: Song) -> Event:
    return _event(SongRemoved(song_id=song.id), song.id, song.updated_at, song.version)


def song_merged(song: Song) -> Event:
    data = SongMerged(song_id=song.id, into=cast(str, song.merged_into))
    return _event(data, song.id, song.updated_at, song.version)


def song_unmerged(song: Song) -> Event:
    return _event(SongUnmerged(song_id=song.id), song.id, song.updated_at, song.version)


def _event(data: EventData, subject: str, time: datetime, *distinct: object) -> Event:
    """`distinct`: what tells this event from others of its type about the same subject."""
    event = Event(id=derived_id(data.TYPE, subject, *distinct), subject=subject, time=time, data=data)
    try:
        codec.encode(event)
    except (TypeError, ValueError) as error:  # no JSON, or no text: half of a surrogate pair
        raise BadEvent(f"{data.TYPE}: {error}") from error
    return event
