"""What a person does with an upload: send, watch, cancel, try again, delete."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from demixer.domain import Failure, Separation, Song, Status, Tags, Upload, UploadState, events, require, status_of
from demixer.domain.errors import NotFound, TooLarge
from demixer.ports import Catalogue, Files, FileWriter
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.separations import SeparationQueue
from demixer.services.unit_of_work import Decision, UnitOfWork

MEGABYTE = 1024 * 1024


class IncomingFile:
    """The bytes of an upload while they arrive: streamed into the file store, counted, hashed and limited.

    Raises `TooLarge` from the `write` that passes `limit` (bytes), and `StorageFull`; the file is gone then.
    """

    def __init__(self, files: Files, limit: int) -> None:
        self.upload_id = uuid.uuid4().hex
        self.key = f"uploads/{self.upload_id}"
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._writer: FileWriter = files.writer(self.key)

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._limit:
            self.abort()
            raise TooLarge(limit_mb=self._limit // MEGABYTE)
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
    queue_position: int | None  # 1 is next; None when not queued
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


class Uploads:
    """`max_bytes`: of one file."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        canonical: CanonicalSongs,
        separations: SeparationQueue,
        work: UnitOfWork,
        clock: Callable[[], datetime],
        *,
        max_bytes: int,
    ) -> None:
        self._uploads, self._songs = catalogue.uploads, catalogue.songs
        self._all_separations = catalogue.separations
        self._files, self._canonical, self._separations = files, canonical, separations
        self._work, self._clock, self._max_bytes = work, clock, max_bytes

    def incoming(self) -> IncomingFile:
        """A file that begins to arrive: `write` its bytes, then `receive` it or `abort`."""
        return IncomingFile(self._files, self._max_bytes)

    def receive(self, person_id: str, filename: str, incoming: IncomingFile, given_tags: Tags) -> Upload:
        """The file has arrived: keep it and tell the consumers. From here on it ends as ready, or as failed with a
        reason.

        Raises `Refused` ("no-file", "empty-file"), and leaves no file behind then.
        """
        if incoming.size == 0:
            incoming.abort()
        require(bool(filename) or incoming.size > 0, "no-file")
        require(incoming.size > 0, "empty-file")
        sha256 = incoming.commit()
        now = self._clock()
        upload = Upload(
            id=incoming.upload_id,
            person_id=person_id,
            filename=filename,
            size=incoming.size,
            sha256=sha256,
            audio_key=incoming.key,
            given_tags=given_tags,
            created_at=now,
            updated_at=now,
        )
        try:
            return self._work.save(self._uploads, upload, [events.upload_received(upload)])
        except Exception:
            self._files.delete(incoming.key)
            raise

    def view(self, upload: Upload) -> UploadView:
        return self.views([upload])[0]

    def views(self, uploads: Sequence[Upload]) -> Sequence[UploadView]:
        """In the order given. The number of queries does not grow with the number of uploads."""
        songs = self._songs.get_many({upload.song_id for upload in uploads if upload.song_id})
        canonical = self._canonical.of_many(songs.values())
        separations = self._all_separations.get_many(
            {song.separation_id for song in canonical.values() if song.separation_id}
        )
        positions = self._all_separations.queue_positions([one.id for one in separations.values() if one.is_open])
        views = []
        for upload in uploads:
            song = canonical.get(upload.song_id or "")
            separation = separations.get(song.separation_id or "") if song else None
            views.append(_view(upload, song, separation, positions.get(separation.id) if separation else None))
        return views

    def views_of_person(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[UploadView]:
        return self.views(self._uploads.of_person(person_id, limit=limit, offset=offset))

    def owned(self, person_id: str, upload_id: str) -> Upload:
        """The upload, if it is this person's and not deleted. Otherwise `NotFound("no-such-upload")`, which tells
        nothing."""
        upload = self._uploads.get(upload_id)
        if upload is None or upload.hidden or upload.person_id != person_id:
            raise NotFound("no-such-upload")
        return upload

    def cancel(self, person_id: str, upload_id: str) -> Upload:
        """Stop what is still on its way. Raises `Refused("cannot-cancel")` when it has ended."""
        require(not self.view(self.owned(person_id, upload_id)).status.is_final, "cannot-cancel")
        return self._withdraw(upload_id, hide=False)

    def delete(self, person_id: str, upload_id: str) -> None:
        """Take it from the person's list, cancelling it first if need be. A song that is ready stays in the
        catalogue."""
        self.owned(person_id, upload_id)
        self._withdraw(upload_id, hide=True)

    def retry(self, person_id: str, upload_id: str, model: str | None = None) -> Upload:
        """Try a failed upload again from where it failed; a separation with `model`, or with the one that failed.

        Raises `Refused` ("cannot-retry", "file-gone").
        """
        seen = self.view(self.owned(person_id, upload_id))
        require(seen.status is Status.FAILED, "cannot-retry")
        require(seen.can_retry, "file-gone")
        if seen.song is not None and seen.separation is not None:
            self._separations.ensure(seen.song, model or seen.separation.model)
        else:
            self.revive(upload_id)
        return self.owned(person_id, upload_id)

    def revive(self, upload_id: str) -> Upload:
        """Try a failed upload again from its file. One that did not fail stays as it is."""

        def decide(upload: Upload) -> Decision[Upload]:
            if upload.state is not UploadState.FAILED or not upload.audio_key:
                return None
            again = replace(upload, attempt=upload.attempt + 1, failure=None)
            again = again.moved_to(UploadState.RECEIVED, self._clock())
            return again, [events.upload_received(again)]

        return self._work.update(self._uploads, upload_id, decide)

    def republish(self, upload: Upload) -> None:
        """The event of an open upload was lost. Where it was not, the second one does no harm. Raises `Transient`."""
        fingerprinted = upload.state is UploadState.FINGERPRINTED
        event = events.upload_fingerprinted(upload, self._clock()) if fingerprinted else events.upload_received(upload)
        self._work.publish([event])

    def _withdraw(self, upload_id: str, *, hide: bool) -> Upload:
        def decide(upload: Upload) -> Decision[Upload]:
            state = upload.state if self.view(upload).status.is_final else UploadState.CANCELLED
            now = self._clock()
            gone = replace(upload, state=state, hidden=upload.hidden or hide, updated_at=now)
            return gone, [events.upload_withdrawn(gone, now)]

        return self._work.update(self._uploads, upload_id, decide)


def _view(upload: Upload, song: Song | None, separation: Separation | None, position: int | None) -> UploadView:
    status = status_of(upload, separation)
    progress = separation.progress if separation and status is Status.SEPARATING else 0.0
    failure = upload.failure or (separation.failure if separation else None)
    return UploadView(
        upload=upload,
        song=None if song is None or song.is_removed else song,
        separation=separation,
        status=status,
        progress=1.0 if status is Status.READY else progress,
        queue_position=position if status is Status.QUEUED else None,
        failure=failure if status is Status.FAILED else None,
    )
