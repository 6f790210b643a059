"""A song: one recording in one mix in the shared catalogue, its life cycle, and its relations to other songs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from demixer.domain.values import Tags, require


class SongState(StrEnum):
    PENDING = "pending"  # waits for its first stems
    ACTIVE = "active"  # has stems; people find it
    WITHDRAWN = "withdrawn"  # everybody who waited for its stems went away before there were any
    TAKEN_DOWN = "taken_down"  # removed by the operator; the recording is remembered and cannot come back
    MERGED = "merged"  # another song is shown in its place


class Actor(StrEnum):
    """Who moves a song from one state to another."""

    SYSTEM = "system"  # a consumer, from what happened to uploads and separations
    OWNER = "owner"  # the person who brought it
    OPERATOR = "operator"  # who runs the server


TRANSITIONS: Mapping[tuple[SongState, SongState], frozenset[Actor]] = {
    (SongState.PENDING, SongState.ACTIVE): frozenset({Actor.SYSTEM}),
    (SongState.PENDING, SongState.WITHDRAWN): frozenset({Actor.SYSTEM}),
    (SongState.WITHDRAWN, SongState.PENDING): frozenset({Actor.SYSTEM}),  # somebody brought it again
    (SongState.ACTIVE, SongState.MERGED): frozenset({Actor.OPERATOR}),
    (SongState.MERGED, SongState.ACTIVE): frozenset({Actor.OPERATOR}),
    (SongState.PENDING, SongState.TAKEN_DOWN): frozenset({Actor.OPERATOR}),
    (SongState.ACTIVE, SongState.TAKEN_DOWN): frozenset({Actor.OPERATOR}),
    (SongState.MERGED, SongState.TAKEN_DOWN): frozenset({Actor.OPERATOR}),
    (SongState.WITHDRAWN, SongState.TAKEN_DOWN): frozenset({Actor.OPERATOR}),
}


class RelationType(StrEnum):
    """How two songs that are not one are related."""

    MIX = "mix"  # one recording, mixed differently: without vocals, say
    EDIT = "edit"  # one recording, cut differently
    VERSION = "version"  # much alike: a remaster, a live take, a remix


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """From a song to another. `missing_stems`: stems that one of the two has not; `lacks_stems`: it is this one."""

    song_id: str
    type: RelationType
    missing_stems: tuple[str, ...] = ()
    lacks_stems: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One recording in the shared catalogue.

    `audio_key` is the key of the original file, kept so that a better model can separate it again. `separation_id` is
    the separation whose stems are shown (or, before there is one, the first one asked for); `next_separation_id` a
    better one on its way.
    """

    id: str
    owner_id: str  # id of the person who brought it: who may edit it
    tags: Tags
    duration: float  # seconds
    sha256: str  # of the first file that brought it
    fingerprint: bytes  # demixer.recognition.fingerprint.Fingerprint.to_bytes
    audio_key: str
    cover_key: str  # key in the file store, "" without one
    created_at: datetime
    updated_at: datetime
    state: SongState = SongState.PENDING
    separation_id: str | None = None
    next_separation_id: str | None = None
    relations: tuple[Relation, ...] = ()  # newest last
    merged_into: str | None = None  # the song that is shown in its place
    merged_ids: tuple[str, ...] = ()  # the songs that this one is shown for, those merged into them too
    proposed_tags: Tags | None = None  # names for its owner to accept; None before asking, empty once settled
    plays: int = 0
    version: int = 0

    @property
    def has_cover(self) -> bool:
        return bool(self.cover_key)

    @property
    def has_stems(self) -> bool:
        """Once it has, it always has: a better separation takes the place of the present one."""
        return self.state in (SongState.ACTIVE, SongState.MERGED)

    @property
    def is_removed(self) -> bool:
        """A tombstone: it stays removed, whatever is replayed."""
        return self.state in (SongState.WITHDRAWN, SongState.TAKEN_DOWN)

    @property
    def is_visible(self) -> bool:
        """Whether people find it by searching and browsing."""
        return self.state is SongState.ACTIVE

    def moved_to(self, state: SongState, actor: Actor, now: datetime) -> "Song":
        """Raises `Refused("song-state")` for a transition that does not exist, or is not this actor's to make."""
        allowed = actor in TRANSITIONS.get((self.state, state), ())
        require(allowed, "song-state", state=self.state.value, wanted=state.value)
        return replace(self, state=state, updated_at=now)
