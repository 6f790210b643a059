"""The values of the project, frozen and plain. No I/O, no clock, no randomness: those are handed in.

An aggregate (`Upload`, `Song`, `Separation`) carries a `version`: 0 before it was first saved, and one more with every
save. A change is `dataclasses.replace` or one of the methods here, then `save`, which refuses a stale version.
"""

from demixer.domain.analyses import Analysis, Comparison, Encoding, MatchVerdict
from demixer.domain.ids import derived_id, separation_id_of, song_id_of
from demixer.domain.separations import Separation, SeparationState, Stem
from demixer.domain.songs import TRANSITIONS, Actor, Relation, RelationType, Song, SongState
from demixer.domain.uploads import MatchMethod, Status, Upload, UploadState, status_of
from demixer.domain.values import Failure, Person, Tags, require
from demixer.domain.workers import SeparationWorker
from schemas.events import Event

__all__ = [
    "TRANSITIONS",
    "Actor",
    "Analysis",
    "Comparison",
    "Encoding",
    "Event",
    "Failure",
    "MatchMethod",
    "MatchVerdict",
    "Person",
    "Relation",
    "RelationType",
    "Separation",
    "SeparationState",
    "SeparationWorker",
    "Song",
    "SongState",
    "Status",
    "Stem",
    "Tags",
    "Upload",
    "UploadState",
    "derived_id",
    "require",
    "separation_id_of",
    "song_id_of",
    "status_of",
]
