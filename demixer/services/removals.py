"""Uploads leave, and what nobody waits for any more goes with them. Stems that exist stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from demixer.domain import Actor, SeparationState, Song, SongState, Upload, events, song_id_of
from demixer.ports import Catalogue, Files, FingerprintIndex
from demixer.services.separations import SeparationQueue
from demixer.services.unit_of_work import Decision, UnitOfWork


class Removals:
    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        fingerprints: FingerprintIndex,
        separations: SeparationQueue,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._uploads, self._songs = catalogue.uploads, catalogue.songs
        self._all_separations = catalogue.separations
        self._files, self._fingerprints, self._separations = files, fingerprints, separations
        self._work, self._clock = work, clock

    def withdraw(self, upload_id: str) -> None:
        """An upload was cancelled or deleted: stop and remove what nobody waits for any more."""
        upload = self._uploads.get(upload_id)
        if upload is None or upload.is_open:
            return
        song = self.song_of(upload)
        if song is None:
            self._files.delete(upload.audio_key or f"uploads/{upload.id}")
        else:
            self.remove_if_unwanted(song.id)

    def remove_if_unwanted(self, song_id: str) -> None:
        """A song without stems goes when no upload waits for it."""
        song = self._songs.get(song_id)
        if song is not None and song.state is SongState.PENDING and not self._is_awaited(song):
            self._remove_unfinished(song)

    def song_of(self, upload: Upload) -> Song | None:
        """The song it joined; or the one made of its file, where a killed process, or a cancel, came before joining."""
        if upload.song_id:
            return self._songs.get(upload.song_id)
        song = self.song_made_of(upload.sha256)
        return song if song and song.audio_key == f"uploads/{upload.id}" else None

    def song_made_of(self, sha256: str) -> Song | None:
        """The song, not removed, that a file with these bytes brought."""
        song = self._songs.get(song_id_of(sha256))
        return None if song is None or song.is_removed else song

    def _is_awaited(self, song: Song) -> bool:
        return any(not upload.hidden for upload in self._uploads.of_song(song.id))

    def _remove_unfinished(self, song: Song) -> None:
        """The tombstone comes last: a process killed before does it all again."""
        stopped = [self._separations.cancel(each.id) for each in self._all_separations.of_song(song.id)]
        if any(separation.state is SeparationState.READY for separation in stopped):
            return  # it was quicker: the stems are everybody's now

        def decide(current: Song) -> Decision[Song]:
            if current.state is not SongState.PENDING:
                return None
            gone = current.moved_to(SongState.WITHDRAWN, Actor.SYSTEM, self._clock())
            gone = replace(gone, audio_key="", cover_key="")
            return gone, [events.song_removed(gone)]

        self._fingerprints.remove(song.id)
        for key in filter(None, (song.audio_key, song.cover_key, f"songs/{song.id}")):
            self._files.delete(key)
        self._work.update(self._songs, song.id, decide)
