"""An upload: one file that one person sent, with its state; and what the person sees of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from demixer.domain.separations import Separation, SeparationState
from demixer.domain.values import Failure, Tags

FOR_A_WORKER = "worker"  # `Upload.waiting_for` while no separation worker has said what it can do


class UploadState(StrEnum):
    """What is stored of an upload. Once it has joined a song, the rest follows from the song's separation."""

    RECEIVED = "received"
    FINGERPRINTING = "fingerprinting"
    FINGERPRINTED = "fingerprinted"
    JOINED = "joined"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """What a person sees of an upload: the words of the API and of the page."""

    RECEIVED = "received"
    FINGERPRINTING = "fingerprinting"
    QUEUED = "queued"
    SEPARATING = "separating"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (Status.READY, Status.FAILED, Status.CANCELLED)


class MatchMethod(StrEnum):
    """How an upload found a song that was already there."""

    FILE = "file"  # the same bytes
    RECORDING = "recording"  # the same recording by its fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file that one person sent.

    `audio_key`: of the bytes in the file store, `""` once they are no longer needed. `given_tags` were typed beside the
    file; they win over what the file says.
    """

    id: str
    person_id: str
    filename: str
    size: int  # bytes
    sha256: str  # of the file, hex
    audio_key: str
    given_tags: Tags
    created_at: datetime
    updated_at: datetime
    state: UploadState = UploadState.RECEIVED
    attempt: int = 1  # one more with every "try again", so that its events differ
    song_id: str | None = None
    matched_by: MatchMethod | None = None
    failure: Failure | None = None
    hidden: bool = False  # deleted by the person: out of every list, kept so that a replay cannot revive it
    waiting_for: str | None = None  # the song whose stems will tell whether this is the same mix, or `FOR_A_WORKER`
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Still on its way to a song, so that a consumer may work on it."""
        return self.state in (UploadState.RECEIVED, UploadState.FINGERPRINTING, UploadState.FINGERPRINTED)

    @property
    def waits_for_worker(self) -> bool:
        return self.is_open and self.waiting_for == FOR_A_WORKER

    @property
    def waits_for_song(self) -> str | None:
        """The id of the song whose stems it waits for."""
        return self.waiting_for if self.is_open and self.waiting_for != FOR_A_WORKER else None

    def joined(self, song_id: str, matched_by: MatchMethod | None, now: datetime) -> "Upload":
        return replace(
            self, state=UploadState.JOINED, song_id=song_id, matched_by=matched_by, failure=None, updated_at=now
        )

    def failed(self, failure: Failure, now: datetime) -> "Upload":
        return replace(self, state=UploadState.FAILED, failure=failure, updated_at=now)

    def moved_to(self, state: UploadState, now: datetime) -> "Upload":
        return replace(self, state=state, updated_at=now)


def status_of(upload: Upload, separation: Separation | None) -> Status:
    """What a person sees of `upload`, given the separation of the song it joined (None while there is none)."""
    if upload.state is UploadState.JOINED:
        return _SEPARATION_STATUS[separation.state] if separation else Status.QUEUED
    return _UPLOAD_STATUS[upload.state]


_UPLOAD_STATUS = {
    UploadState.RECEIVED: Status.RECEIVED,
    UploadState.FINGERPRINTING: Status.FINGERPRINTING,
    UploadState.FINGERPRINTED: Status.FINGERPRINTING,
    UploadState.FAILED: Status.FAILED,
    UploadState.CANCELLED: Status.CANCELLED,
}


_SEPARATION_STATUS = {
    SeparationState.REQUESTED: Status.QUEUED,
    SeparationState.RUNNING: Status.SEPARATING,
    SeparationState.READY: Status.READY,
    SeparationState.FAILED: Status.FAILED,
    SeparationState.CANCELLED: Status.CANCELLED,
}
