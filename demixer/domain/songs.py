"""A song: one recording in one mix in the shared catalogue, and its relations to other songs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from demixer.domain.values import Tags


class RelationType(StrEnum):
    """How two songs that are not one belong together."""

    MIX = "mix"  # one recording, mixed otherwise: without vocals, say
    EDIT = "edit"  # one recording, cut otherwise
    VERSION = "version"  # much alike: a remaster, a live take, a remix


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """From a song to another. `without`: stems that one of the two has not; `less` says that it is this one."""

    song_id: str
    type: RelationType
    missing_stems: tuple[str, ...] = ()
    lacks_stems: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One recording in the shared catalogue.

    `audio` is the key of the original file, kept so that a better model can separate it again. `separation_id` is the
    separation whose stems are shown (or, before there is one, the first one asked for); `next_separation_id` a better
    one on its way. `listed` is true once stems exist: only listed songs are searched and browsed.
    """

    id: str
    owner_id: str  # person id: who may edit it
    tags: Tags
    duration: float  # seconds
    sha256: str  # of the first file that brought it
    fingerprint: bytes  # demixer.recognition.fingerprint.Fingerprint.to_bytes
    audio_key: str
    cover_key: str  # key in the file store, "" without one
    created_at: datetime
    updated_at: datetime
    separation_id: str | None = None
    next_separation_id: str | None = None
    listed: bool = False
    removed: bool = False  # a tombstone: removed songs stay removed, whatever is replayed
    relations: tuple[Relation, ...] = ()  # to its relatives, newest last
    merged_into: str | None = None  # the song that it turned out to be
    merged_ids: tuple[str, ...] = ()  # the songs that turned out to be this one, those merged into them too
    proposed_tags: Tags | None = None  # names for whoever brought it to take; None before asking, empty once settled
    plays: int = 0
    version: int = 0

    @property
    def has_cover(self) -> bool:
        return bool(self.cover_key)

    @property
    def is_visible(self) -> bool:
        """Whether people find it by searching and browsing."""
        return self.listed and not self.removed and self.merged_into is None
