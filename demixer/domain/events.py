"""The events of the project, made in one place. Ids derive from what happened: a repeated publish is the same event.

Each is checked against its schema as it is made, before it is stored beside a change: one in the outbox that cannot be
written down would hold up all behind it.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from demixer.domain import (
    Analysis,
    Comparison,
    Event,
    Failure,
    MatchVerdict,
    Separation,
    Song,
    Tags,
    Upload,
    derived_id,
)
from demixer.domain.errors import BadEvent
from demixer.recognition.fingerprint import Fingerprint
from schemas import codec


def upload_received(upload: Upload) -> Event:
    data = {"upload_id": upload.id, "attempt": upload.attempt}
    return _event("upload.received", upload.id, upload.updated_at, data, upload.attempt)


def upload_fingerprinted(upload: Upload, heard: Analysis, now: datetime) -> Event:
    tags = heard.tags
    data = {
        "upload_id": upload.id,
        "attempt": upload.attempt,
        "duration": heard.duration,
        "fingerprint": base64.b64encode(heard.fingerprint).decode(),
        "shifted": base64.b64encode(heard.shifted_fingerprint).decode(),
        "sound_sha256": heard.sample_hash,
        "compared": [_compared(one) for one in heard.comparisons],
        "tags": {"artist": tags.artist, "album": tags.album, "title": tags.title, "year": tags.year},
        "cover": heard.cover_key,
    }
    return _event("upload.fingerprinted", upload.id, now, data, upload.attempt)


def heard(event: Event) -> Analysis:
    """What an `upload.fingerprinted` says. Whatever an event of before does not say is empty."""
    data = event.data
    try:
        fingerprint, shifted = (base64.b64decode(data.get(name, "")) for name in ("fingerprint", "shifted"))
        for one in filter(None, (fingerprint, shifted)):
            Fingerprint.from_bytes(one)
    except ValueError as error:
        raise BadEvent(type=event.type, reason=f"fingerprint: {error}") from error
    return Analysis(
        duration=data["duration"],
        fingerprint=fingerprint,
        shifted_fingerprint=shifted,
        sample_hash=data.get("sound_sha256", ""),
        comparisons=tuple(_comparison(one) for one in data.get("compared", ())),
        tags=Tags(**{name: data["tags"][name] for name in ("artist", "album", "title", "year")}),
        cover_key=data["cover"],
    )


def _comparison(data: Mapping[str, Any]) -> Comparison:
    without = tuple(data.get("without", ()))
    finding = MatchVerdict(data["finding"])
    return Comparison(song_id=data["song_id"], verdict=finding, offset=data.get("offset", 0.0), missing_stems=without)


def _compared(one: Comparison) -> dict[str, Any]:
    return {
        "song_id": one.song_id,
        "finding": one.verdict.value,
        "offset": round(one.offset, 6),
        "without": list(one.missing_stems),
    }


def upload_rejected(upload: Upload, failure: Failure, now: datetime) -> Event:
    data = {
        "upload_id": upload.id,
        "attempt": upload.attempt,
        "code": failure.code,
        "params": dict(failure.params),
    }
    return _event("upload.rejected", upload.id, now, data, upload.attempt)


def upload_withdrawn(upload: Upload, now: datetime) -> Event:
    return _event(
        "upload.withdrawn", upload.id, now, {"upload_id": upload.id, "song_id": upload.song_id}, upload.version
    )


def separation_requested(separation: Separation) -> Event:
    data = {
        "separation_id": separation.id,
        "song_id": separation.song_id,
        "model": separation.model,
        "attempt": separation.attempt,
    }
    return _event(
        "separation.requested", separation.song_id, separation.updated_at, data, separation.id, separation.attempt
    )


def separation_progressed(separation: Separation) -> Event:
    data = {
        "separation_id": separation.id,
        "song_id": separation.song_id,
        "progress": separation.progress,
        "seconds_left": separation.seconds_left,
        "device": separation.device,
    }
    return _event("separation.progressed", separation.song_id, separation.updated_at, data, separation.version)


def song_matched(upload: Upload, now: datetime) -> Event:
    assert upload.song_id is not None
    assert upload.matched_by is not None
    data = {"song_id": upload.song_id, "upload_id": upload.id, "match": upload.matched_by.value}
    return _event("song.matched", upload.song_id, now, data, upload.id, upload.attempt)


def song_separated(song: Song, separation: Separation) -> Event:
    data = {"song_id": song.id, "separation_id": separation.id}
    return _event("song.separated", song.id, song.updated_at, data, separation.id, separation.attempt)


def song_failed(separation: Separation, failure: Failure, now: datetime) -> Event:
    data = {
        "song_id": separation.song_id,
        "separation_id": separation.id,
        "attempt": separation.attempt,
        "code": failure.code,
        "params": dict(failure.params),
    }
    return _event("song.failed", separation.song_id, now, data, separation.id, separation.attempt)


def song_edited(song: Song) -> Event:
    return _event("song.edited", song.id, song.updated_at, {"song_id": song.id, "revision": song.version}, song.version)


def song_removed(song: Song) -> Event:
    return _event("song.removed", song.id, song.updated_at, {"song_id": song.id}, song.version)


def song_merged(song: Song) -> Event:
    data = {"song_id": song.id, "into": song.merged_into}
    return _event("song.merged", song.id, song.updated_at, data, song.version)


def song_unmerged(song: Song) -> Event:
    return _event("song.unmerged", song.id, song.updated_at, {"song_id": song.id}, song.version)


def _event(kind: str, subject: str, time: datetime, data: dict[str, Any], *distinct: object) -> Event:
    event = Event(id=derived_id(kind, subject, *distinct), type=kind, subject=subject, time=time, data=data)
    try:
        codec.encode(event)
    except (TypeError, ValueError) as error:  # no JSON, or no text: half of a surrogate pair
        raise BadEvent(type=kind, reason=str(error)) from error
    return event
