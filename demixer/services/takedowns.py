"""The operator takes a song down: its files go, and its recording is remembered so that it cannot come back.

The fingerprint stays in the index and in the song, and nothing else of the sound. So a file of that recording is
refused by its bytes, its samples or its fingerprint; another mix of it is, too, since only the stems would tell it
apart.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from demixer.domain import Actor, Song, SongState, events
from demixer.domain.errors import NotFound
from demixer.ports import Catalogue, Files, FingerprintIndex
from demixer.services.separations import SeparationQueue
from demixer.services.unit_of_work import Decision, UnitOfWork


class Takedowns:
    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        fingerprints: FingerprintIndex,
        separations: SeparationQueue,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._songs, self._all_separations = catalogue.songs, catalogue.separations
        self._files, self._fingerprints, self._separations = files, fingerprints, separations
        self._work, self._clock = work, clock

    def take_down(self, song_id: str) -> Song:
        """With the songs that were merged into it: they are the same recording. Safe to repeat. Raises
        `NotFound("no-such-song")`."""
        song = self._songs.get(song_id)
        if song is None:
            raise NotFound("no-such-song")
        for merged in self._songs.get_many(song.merged_ids).values() if song.merged_ids else ():
            self._take_down(merged.id)
        return self._take_down(song_id)

    def _take_down(self, song_id: str) -> Song:
        """The state comes first: from then on nobody is given its files. Their keys are forgotten last: a process that
        was killed before does it all again."""

        def remove(current: Song) -> Decision[Song]:
            if current.state is SongState.TAKEN_DOWN:
                return None
            gone = current.moved_to(SongState.TAKEN_DOWN, Actor.OPERATOR, self._clock())
            gone = replace(gone, next_separation_id=None)
            return gone, [events.song_removed(gone)]

        def forget_files(current: Song) -> Decision[Song]:
            if not current.audio_key and not current.cover_key:
                return None
            return replace(current, audio_key="", cover_key="", updated_at=self._clock()), []

        song = self._work.update(self._songs, song_id, remove)
        self._fingerprints.add(song_id, song.fingerprint)  # that of a withdrawn song is not there
        for separation in self._all_separations.of_song(song_id):
            self._separations.cancel(separation.id)
        for key in filter(None, (song.audio_key, song.cover_key, f"songs/{song_id}")):
            self._files.delete(key)
        return self._work.update(self._songs, song_id, forget_files)
