"""The events: one frozen dataclass for each type and version, named after what happened.

The field names are those of the wire, so each class has a JSON Schema of the same shape in
`schemas/json/TYPE/VERSION.json`; a test compares them. A new optional field may join a version. Anything else is a new
version: a new class and a new schema beside the old ones, and an upcaster in `schemas.upcasting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple

NOT_ON_THE_WIRE: Mapping[str, bool] = {"wire": False}  # metadata of a field that only an upcaster fills


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """What an event says, by its type and version."""

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1


class Event(NamedTuple):
    """A fact that happened, in its envelope. `subject`: the id of what it is about. `time` has a time zone.

    A tuple, which is made in a quarter of the time of a frozen dataclass: every message makes one.
    """

    id: str
    subject: str
    time: datetime
    data: EventData

    @property
    def type(self) -> str:
        return self.data.TYPE

    @property
    def version(self) -> int:
        return self.data.VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReceived(EventData):
    TYPE: ClassVar[str] = "upload.received"

    upload_id: str
    attempt: int  # one more with every "try again"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTags:
    artist: str
    album: str
    title: str
    year: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventComparison:
    song_id: str
    finding: Literal["same", "unsure", "mix", "edit", "version"]
    offset: float = 0.0  # seconds into the file at which the song begins
    without: tuple[str, ...] = ()  # stems of the song that the file has not


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFingerprintedV1(EventData):
    """All that was measured of a file, inside the event. Written until version 0.1."""

    TYPE: ClassVar[str] = "upload.fingerprinted"

    upload_id: str
    attempt: int
    duration: float  # seconds
    fingerprint: str  # base64
    tags: EventTags
    cover: str  # key in the file store, "" without one
    shifted: str = ""  # base64
    sound_sha256: str = ""
    compared: tuple[EventComparison, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFingerprinted(EventData):
    """`embedded`: the analysis itself, of an event of version 1; then `analysis_id` is ""."""

    TYPE: ClassVar[str] = "upload.fingerprinted"
    VERSION: ClassVar[int] = 2

    upload_id: str
    attempt: int
    analysis_id: str
    embedded: UploadFingerprintedV1 | None = field(default=None, metadata=NOT_ON_THE_WIRE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRejected(EventData):
    TYPE: ClassVar[str] = "upload.rejected"

    upload_id: str
    attempt: int
    code: str  # why: a code of `demixer.domain.messages`
    params: Mapping[str, Any]  # fill its sentence in


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadWithdrawn(EventData):
    TYPE: ClassVar[str] = "upload.withdrawn"

    upload_id: str
    song_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationRequested(EventData):
    TYPE: ClassVar[str] = "separation.requested"

    separation_id: str
    song_id: str
    model: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationProgressed(EventData):
    TYPE: ClassVar[str] = "separation.progressed"

    separation_id: str
    song_id: str
    progress: float  # 0 to 1
    seconds_left: float | None
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SongMatched(EventData):
    TYPE: ClassVar[str] = "song.matched"

    song_id: str
    upload_id: str
    match: Literal["file", "recording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SongSeparated(EventData):
    TYPE: ClassVar[str] = "song.separated"

    song_id: str
    separation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SongFailed(EventData):
    TYPE: ClassVar[str] = "song.failed"

    song_id: str
    separation_id: str
    attempt: int
    code: str  # why: a code of `demixer.domain.messages`
    params: Mapping[str, Any]  # fill its sentence in


@dataclass(frozen=True, slots=True, kw_only=True)
class SongEdited(EventData):
    TYPE: ClassVar[str] = "song.edited"

    song_id: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SongRemoved(EventData):
    TYPE: ClassVar[str] = "song.removed"

    song_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SongMerged(EventData):
    TYPE: ClassVar[str] = "song.merged"

    song_id: str
    into: str  # the song that is shown in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class SongUnmerged(EventData):
    TYPE: ClassVar[str] = "song.unmerged"

    song_id: str


ALL: tuple[type[EventData], ...] = (
    UploadReceived,
    UploadFingerprintedV1,
    UploadFingerprinted,
    UploadRejected,
    UploadWithdrawn,
    SeparationRequested,
    SeparationProgressed,
    SongMatched,
    SongSeparated,
    SongFailed,
    SongEdited,
    SongRemoved,
    SongMerged,
    SongUnmerged,
)
