"""Two songs that turned out to be one: one of them is shown for both, and nothing of the other is lost.

The merged song keeps its id, its stems, its uploads and its place in the fingerprint index, so every link to a stem
stays what it was, files are recognised by either, and a merge can be undone. Who looks for it, edits it or adds it to a
library meanwhile is given the song it was merged into, and what they do stays with that. Each step may be repeated.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from demixer.domain import Actor, Song, SongState, events, require
from demixer.ports import Songs
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.unit_of_work import Decision, UnitOfWork


class Merging:
    def __init__(
        self, songs: Songs, canonical: CanonicalSongs, work: UnitOfWork, clock: Callable[[], datetime]
    ) -> None:
        self._songs, self._canonical, self._work, self._clock = songs, canonical, work, clock

    def merge(self, song_id: str, into_id: str) -> Song:
        """The song that is shown for both from now on. Raises `NotFound`, `Refused` ("not-ready", "same-song")."""
        song, into = (self._canonical.of(self._canonical.find(one)) for one in (song_id, into_id))
        require(song.id != into.id, "same-song")
        require(song.is_visible and into.is_visible, "not-ready")
        merged_ids = (song.id, *song.merged_ids)

        def gain(current: Song) -> Decision[Song]:
            return self._with_merged_ids(current, tuple(dict.fromkeys((*current.merged_ids, *merged_ids))))

        def give(current: Song) -> Decision[Song]:
            if current.state is SongState.MERGED:
                return None
            merged = current.moved_to(SongState.MERGED, Actor.OPERATOR, self._clock())
            merged = replace(merged, merged_into=into.id)
            return merged, [events.song_merged(merged)]

        kept = self._work.update(self._songs, into.id, gain)
        self._work.update(self._songs, song.id, give)
        return kept

    def unmerge(self, song_id: str) -> Song:
        """Undo `merge`: the song is shown itself again. Raises `NotFound`, `Refused("not-merged")`."""
        song = self._canonical.find(song_id)
        require(song.state is SongState.MERGED, "not-merged")
        lost = {song.id, *song.merged_ids}

        def lose(current: Song) -> Decision[Song]:
            return self._with_merged_ids(current, tuple(one for one in current.merged_ids if one not in lost))

        def take_back(current: Song) -> Decision[Song]:
            if current.state is not SongState.MERGED:
                return None
            back = replace(current.moved_to(SongState.ACTIVE, Actor.OPERATOR, self._clock()), merged_into=None)
            return back, [events.song_unmerged(back)]

        for above in self._canonical.chain(song):
            self._work.update(self._songs, above.id, lose)
        return self._work.update(self._songs, song.id, take_back)

    def _with_merged_ids(self, song: Song, merged_ids: tuple[str, ...]) -> Decision[Song]:
        if merged_ids == song.merged_ids:
            return None
        return replace(song, merged_ids=merged_ids, updated_at=self._clock()), []
