"""How songs that are related are linked: other mixes, edits and versions of one recording."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from demixer.domain import Comparison, MatchVerdict, Relation, RelationType, Song
from demixer.ports import Songs
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.unit_of_work import Decision, UnitOfWork

MAX_RELATIONS = 50  # of one song

_TYPES = {MatchVerdict.MIX: RelationType.MIX, MatchVerdict.EDIT: RelationType.EDIT}


def relation(comparison: Comparison) -> Relation:
    """From a file to the song it was compared with. What could not be told is a version."""
    missing = comparison.missing_stems
    type_ = _TYPES.get(comparison.verdict, RelationType.VERSION)
    return Relation(song_id=comparison.song_id, type=type_, missing_stems=missing, lacks_stems=bool(missing))


class Relations:
    def __init__(
        self, songs: Songs, canonical: CanonicalSongs, work: UnitOfWork, clock: Callable[[], datetime]
    ) -> None:
        self._songs, self._canonical, self._work, self._clock = songs, canonical, work, clock

    def link_back(self, song: Song) -> None:
        """The songs that a new song is related to get a relation to it, too. Safe to repeat."""
        for one in song.relations:
            back = replace(one, song_id=song.id, lacks_stems=False)
            self._work.update(self._songs, one.song_id, partial(self._with, back))

    def of(self, song: Song) -> Sequence[tuple[Relation, Song]]:
        """Those that people can see, each once, with those of the songs merged into it."""
        relations = [one for merged in self._canonical.merged_with(song) for one in merged.relations]
        others = self._songs.get_many({one.song_id for one in relations})
        canonical = self._canonical.of_many(others.values())
        found: dict[str, tuple[Relation, Song]] = {}
        for one in relations:
            other = canonical.get(one.song_id)
            if other is not None and other.is_visible and other.id != song.id:
                found.setdefault(other.id, (one, other))
        return list(found.values())

    def _with(self, relation: Relation, song: Song) -> Decision[Song]:
        if relation in song.relations or len(song.relations) >= MAX_RELATIONS:
            return None
        others = tuple(other for other in song.relations if other.song_id != relation.song_id)
        return replace(song, relations=(*others, relation), updated_at=self._clock()), []
