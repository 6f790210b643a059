"""The values of the project, frozen and plain. No I/O, no clock, no randomness: those are handed in.

An aggregate (`Upload`, `Song`, `Separation`) carries a `version`: 0 before it was first saved, and one more with every
save. A change is `dataclasses.replace` or one of the methods here, then `save`, which refuses a stale version.
"""

from demixer.domain.analyses import Analysis, Comparison, MatchVerdict
from demixer.domain.event import Event
from demixer.domain.ids import derived_id, separation_id_of, song_id_of
from demixer.domain.separations import Separation, SeparationState, Stem
from demixer.domain.songs import Relation, RelationType, Song
from demixer.domain.uploads import MatchMethod, Status, Upload, UploadState, status_of
from demixer.domain.values import Failure, Person, Tags, require

__all__ = [
    "Analysis",
    "Comparison",
    "Event",
    "Failure",
    "MatchMethod",
    "MatchVerdict",
    "Person",
    "Relation",
    "RelationType",
    "Separation",
    "SeparationState",
    "Song",
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
