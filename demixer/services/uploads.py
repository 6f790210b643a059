"""What a person does with an upload: send, watch, cancel, try again, delete."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from demixer.domain import Failure, Separation, Song, Status, Tags, Upload, UploadState, events, require, status_of
from demixer.domain.errors import NotFound, TooLarge
from demixer.ports import FileWriter
from demixer.services import matching, merging, outbox, separations
from demixer.services.optimistic import Decision, change
from demixer.wiring import House


class IncomingFile:
    """The bytes of an upload while they arrive: streamed into the file store, counted, hashed and limited.

    Raises `TooLarge` from the `write` that passes the limit, and `StorageFull`; the file is gone then.
    """

    def __init__(self, house: House) -> None:
        self.upload_id = uuid.uuid4().hex
        self.key = f"uploads/{self.upload_id}"
        self.size = 0
        self._limit = house.settings.max_upload_bytes
        self._hash = hashlib.sha256()
        self._writer: FileWriter = house.files.writer(self.key)

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._limit:
            self.abort()
            raise TooLarge(limit_mb=self._limit // (1024 * 1024))
        self._hash.update(data)
        self._writer.write(data)
        return len(data)

    def commit(self) -> str:
        """Keep the file. Returns its sha256 (hex)."""
        self._writer.commit()
        return self._hash.hexdigest()

    def abort(self) -> None:
        self._writer.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadView:
    """Everything a page or the API shows of an upload."""

    upload: Upload
    song: Song | None  # None also for one that was removed
    separation: Separation | None
    status: Status
    progress: float  # 0 to 1
    queue_position: int | None  # in the queue, 1 is next; None when not queued
    failure: Failure | None

    @property
    def matched(self) -> bool:
        return self.upload.matched_by is not None

    @property
    def can_cancel(self) -> bool:
        return not self.status.is_final

    @property
    def can_retry(self) -> bool:
        return self.status is Status.FAILED and bool(self.upload.audio_key or self.upload.song_id)


def receive(house: House, person_id: str, filename: str, incoming: IncomingFile, given: Tags) -> Upload:
    """The file has arrived: keep it and tell the others. From here on it ends as ready, or as failed with a reason.

    Raises `Refused` ("no-file", "empty-file"), and leaves no file behind then.
    """
    if incoming.size == 0:
        incoming.abort()
    require(bool(filename) or incoming.size > 0, "no-file")
    require(incoming.size > 0, "empty-file")
    sha256 = incoming.commit()
    now = house.now()
    upload = Upload(
        id=incoming.upload_id,
        person_id=person_id,
        filename=filename,
        size=incoming.size,
        sha256=sha256,
        audio_key=incoming.key,
        given_tags=given,
        created_at=now,
        updated_at=now,
    )
    try:
        saved = house.catalogue.uploads.save(upload, [events.upload_received(upload)])
    except Exception:
        house.files.delete(incoming.key)
        raise
    house.flush()
    return saved


def view(house: House, upload: Upload) -> UploadView:
    song = _song(house, upload)
    separation = _separation_of(house, song)
    status = status_of(upload, separation)
    return UploadView(
        upload=upload,
        song=None if song is None or song.is_removed else song,
        separation=separation,
        status=status,
        progress=_progress(status, separation),
        queue_position=house.catalogue.separations.queue_position(separation)
        if separation and status is Status.QUEUED
        else None,
        failure=_failure(upload, separation) if status is Status.FAILED else None,
    )


def views_of(house: House, person_id: str, *, limit: int, offset: int = 0) -> Sequence[UploadView]:
    return [view(house, upload) for upload in house.catalogue.uploads.of_person(person_id, limit=limit, offset=offset)]


def mine(house: House, person_id: str, upload_id: str) -> Upload:
    """The upload, if it is this person's and not deleted. Otherwise `NotFound("no-such-upload")`, revealing nothing."""
    upload = house.catalogue.uploads.get(upload_id)
    if upload is None or upload.hidden or upload.person_id != person_id:
        raise NotFound("no-such-upload")
    return upload


def cancel(house: House, person_id: str, upload_id: str) -> Upload:
    """Stop what is still on its way. Raises `Refused("cannot-cancel")` when it has ended."""
    require(not view(house, mine(house, person_id, upload_id)).status.is_final, "cannot-cancel")
    return _withdraw(house, upload_id, hide=False)


def delete(house: House, person_id: str, upload_id: str) -> None:
    """Take it from the person's list, cancelling it first if need be. A song that is ready stays in the catalogue."""
    mine(house, person_id, upload_id)
    _withdraw(house, upload_id, hide=True)


def retry(house: House, person_id: str, upload_id: str, model: str | None = None) -> Upload:
    """Try a failed upload again from where it failed; a separation with `model`, or with the one that failed.

    Raises `Refused` ("cannot-retry", "file-gone").
    """
    seen = view(house, mine(house, person_id, upload_id))
    require(seen.status is Status.FAILED, "cannot-retry")
    require(seen.can_retry, "file-gone")
    if seen.song is not None and seen.separation is not None:
        failed = seen.separation.model
        separations.ensure(house, seen.song, lambda: model or failed)
    else:
        change(house.catalogue.uploads, upload_id, lambda upload: _once_more(house, upload, UploadState.FAILED))
    house.flush()
    return mine(house, person_id, upload_id)


def announce_again(house: House, upload: Upload) -> None:
    """For the sweeper: the event of an open upload was lost. Where it was not, the second one does no harm.

    What a fingerprint event carried is nowhere else, so the file is fingerprinted once more.
    """
    if upload.state is UploadState.FINGERPRINTED:
        matching.look_again(house, upload)
    else:
        outbox.publish(house.events, [events.upload_received(upload)])


def revive(house: House, upload_id: str) -> Upload:
    """For whoever runs the server: try a failed upload again, as `retry` does for the person who sent it."""
    return change(house.catalogue.uploads, upload_id, lambda upload: _once_more(house, upload, UploadState.FAILED))


def _withdraw(house: House, upload_id: str, *, hide: bool) -> Upload:
    def decide(upload: Upload) -> Decision[Upload]:
        ended = status_of(upload, _separation(house, upload)).is_final
        state = upload.state if ended else UploadState.CANCELLED
        gone = replace(upload, state=state, hidden=upload.hidden or hide, updated_at=house.now())
        return gone, [events.upload_withdrawn(gone, house.now())]

    upload = change(house.catalogue.uploads, upload_id, decide)
    house.flush()
    return upload


def _separation(house: House, upload: Upload) -> Separation | None:
    return _separation_of(house, _song(house, upload))


def _song(house: House, upload: Upload) -> Song | None:
    song = house.catalogue.songs.get(upload.song_id) if upload.song_id else None
    return merging.standing(house, song) if song else None


def _separation_of(house: House, song: Song | None) -> Separation | None:
    return house.catalogue.separations.get(song.separation_id) if song and song.separation_id else None


def _once_more(house: House, upload: Upload, stuck_in: UploadState) -> Decision[Upload]:
    if upload.state is not stuck_in or not upload.audio_key:
        return None
    now = house.now()
    again = replace(upload, state=UploadState.RECEIVED, attempt=upload.attempt + 1, failure=None, updated_at=now)
    return again, [events.upload_received(again)]


def _progress(status: Status, separation: Separation | None) -> float:
    if status is Status.READY:
        return 1.0
    return separation.progress if separation and status is Status.SEPARATING else 0.0


def _failure(upload: Upload, separation: Separation | None) -> Failure | None:
    return upload.failure or (separation.failure if separation else None)
