"""The words of the project as plain, frozen values. No I/O, no clock, no randomness: those are handed in.

An aggregate (`Upload`, `Song`, `Separation`) carries a `version`: 0 before it was first saved, and one more with every
save. A change is `dataclasses.replace` or one of the methods here, then `save`, which refuses a stale version.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from demixer.errors import Refused


class UploadState(StrEnum):
    """What is stored of an upload. Once it has joined a song, the rest follows from the song's separation."""

    RECEIVED = "received"
    FINGERPRINTING = "fingerprinting"
    FINGERPRINTED = "fingerprinted"
    JOINED = "joined"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SeparationState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    READY = "ready"
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
    def final(self) -> bool:
        return self in (Status.READY, Status.FAILED, Status.CANCELLED)


class Match(StrEnum):
    """How an upload found a song that was already there."""

    FILE = "file"  # the same bytes
    RECORDING = "recording"  # the same recording by its fingerprint


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a code of `demixer.messages` and what fills the sentence in."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What a file, or a person, says about a song. Empty text means unknown."""

    artist: str = ""
    album: str = ""
    title: str = ""
    year: int | None = None

    def over(self, other: "Tags") -> "Tags":
        """These tags where they say something, `other` where they do not."""
        return Tags(
            artist=self.artist or other.artist,
            album=self.album or other.album,
            title=self.title or other.title,
            year=self.year if self.year is not None else other.year,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: str
    email: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file that one person sent.

    `audio` is the key of the bytes in the file store, `""` once they are no longer needed. `given` are the tags typed
    beside the file; they win over what the file says.
    """

    id: str
    person_id: str
    filename: str
    size: int  # bytes
    sha256: str  # of the file, hex
    audio: str
    given: Tags
    created_at: datetime
    updated_at: datetime
    state: UploadState = UploadState.RECEIVED
    attempt: int = 1  # one more with every "try again", so that its events differ
    song_id: str | None = None
    match: Match | None = None
    failure: Failure | None = None
    hidden: bool = False  # deleted by the person: out of every list, kept so that a replay cannot revive it
    waits_for: str | None = None  # the song whose stems will tell whether this is the same mix
    version: int = 0

    @property
    def open(self) -> bool:
        """Still on its way to a song, so that a consumer may work on it."""
        return self.state in (UploadState.RECEIVED, UploadState.FINGERPRINTING, UploadState.FINGERPRINTED)

    def joined(self, song_id: str, match: Match | None, now: datetime) -> "Upload":
        return replace(self, state=UploadState.JOINED, song_id=song_id, match=match, failure=None, updated_at=now)

    def failed(self, failure: Failure, now: datetime) -> "Upload":
        return replace(self, state=UploadState.FAILED, failure=failure, updated_at=now)

    def moved_to(self, state: UploadState, now: datetime) -> "Upload":
        return replace(self, state=state, updated_at=now)


class Finding(StrEnum):
    """What a file is, beside a song that its fingerprint is like."""

    SAME = "same"  # the same recording in the same mix
    UNSURE = "unsure"  # the same recording; whether the same mix, only the song's stems will tell
    MIX = "mix"  # the same recording, mixed otherwise
    EDIT = "edit"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`offset`: seconds into the file at which the song begins. `without`: stems of the song that the file has not."""

    song_id: str
    finding: Finding
    offset: float = 0.0
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the fingerprint consumer found in a file. `compared`: with the songs it is like, the likest first."""

    duration: float  # seconds
    fingerprint: bytes
    tags: Tags
    cover: str  # key in the file store, "" without one
    shifted: bytes = b""  # the fingerprint half an item later, b"" where it was not made
    sound_sha256: str = ""  # of the samples, where the fingerprint says too little
    compared: tuple[Comparison, ...] = ()


class Kinship(StrEnum):
    """How two songs that are not one belong together."""

    MIX = "mix"  # one recording, mixed otherwise: without vocals, say
    EDIT = "edit"  # one recording, cut otherwise
    VERSION = "version"  # much alike: a remaster, a live take, a remix


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """From a song to another. `without`: stems that one of the two has not; `less` says that it is this one."""

    song_id: str
    kinship: Kinship
    without: tuple[str, ...] = ()
    less: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """One source of a song. Its files lie at `<Separation.folder>/<name>.<format>`."""

    name: str
    peak: float  # of the model's output before `Separation.gain`, linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """One run of one model with given parameters over one song.

    `gain` is the one factor (linear, at most 1) that all stems were multiplied by when written so that none clips:
    the written stems sum to `gain` times what the model gave.
    """

    id: str
    song_id: str
    model: str
    requested_at: datetime
    updated_at: datetime
    state: SeparationState = SeparationState.REQUESTED
    attempt: int = 1
    progress: float = 0.0  # 0 to 1
    runner: str = ""  # the member of the consumer group that is, or was last, at work on it
    device: str = ""  # as shown to a person: "CPU", "NVIDIA H200", "Apple GPU"
    seconds_left: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stems: tuple[Stem, ...] = ()
    gain: float = 1.0
    failure: Failure | None = None
    version: int = 0

    @property
    def folder(self) -> str:
        return f"songs/{self.song_id}/{self.id}"

    @property
    def open(self) -> bool:
        return self.state in (SeparationState.REQUESTED, SeparationState.RUNNING)

    def stem(self, name: str) -> Stem | None:
        return next((stem for stem in self.stems if stem.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One recording in the shared catalogue.

    `audio` is the key of the original file, kept so that a better model can separate it again. `separation_id` is the
    separation whose stems are shown (or, before there is one, the first one asked for); `next_separation_id` a better
    one on its way. `listed` is true once stems exist: only listed songs are searched and browsed.
    """

    id: str
    brought_by: str  # person id: who may edit it
    tags: Tags
    duration: float  # seconds
    sha256: str  # of the first file that brought it
    fingerprint: bytes  # demixer.audio.fingerprint.Fingerprint.to_bytes
    audio: str
    cover: str  # key in the file store, "" without one
    created_at: datetime
    updated_at: datetime
    separation_id: str | None = None
    next_separation_id: str | None = None
    listed: bool = False
    removed: bool = False  # a tombstone: removed songs stay removed, whatever is replayed
    links: tuple[Link, ...] = ()  # to its relatives, newest last
    merged_into: str | None = None  # the song that it turned out to be
    merged: tuple[str, ...] = ()  # the songs that turned out to be this one, those merged into them too
    proposed: Tags | None = None  # names for whoever brought it to take; None before asking, empty once settled
    plays: int = 0
    version: int = 0

    @property
    def shown(self) -> bool:
        """Whether people find it by searching and browsing."""
        return self.listed and not self.removed and self.merged_into is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact that happened: `type` such as `upload.received`, `subject` the id it is about, `data` by its schema."""

    id: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    version: int = 1


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


def derived_id(*parts: object) -> str:
    """An id that follows from content: the same parts give the same id, on every machine, at every replay."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def song_id_of(sha256: str) -> str:
    """The id of the song that a file with these bytes would create."""
    return derived_id("song", sha256)


def separation_id_of(song_id: str, model: str) -> str:
    """`model`: a name that `demixer.audio.separation.models` resolves, such as `htdemucs`."""
    return derived_id("separation", song_id, model)


def require(condition: bool, code: str, **params: object) -> None:
    """Raise `Refused(code)` unless `condition` holds."""
    if not condition:
        raise Refused(code, **params)
