"""Names for a song whose tags say too little: asked for once, shown to its owner, who accepts or declines them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from demixer.domain import Song, Tags
from demixer.ports import NameLookup, Songs
from demixer.services.songs import SongCatalogue
from demixer.services.unit_of_work import Decision, UnitOfWork


class Naming:
    """`names` is None where nobody is asked."""

    def __init__(
        self,
        songs: Songs,
        song_catalogue: SongCatalogue,
        names: NameLookup | None,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._songs, self._song_catalogue, self._names = songs, song_catalogue, names
        self._work, self._clock = work, clock

    @property
    def is_configured(self) -> bool:
        return self._names is not None

    def propose(self, song_id: str) -> None:
        """Ask what a song without names is called. After no answer, the song is as if nobody had asked."""
        song = self._songs.get(song_id)
        found = self._names(song.fingerprint) if self._names and song and _is_nameless(song) else None
        if found is None:
            return

        def decide(current: Song) -> Decision[Song]:
            """Unless somebody has named it meanwhile."""
            if not _is_nameless(current):
                return None
            return replace(current, proposed_tags=found, updated_at=self._clock()), []

        self._work.update(self._songs, song_id, decide)

    def accept(self, person_id: str, song_id: str) -> Song:
        """The song is called as proposed; what the proposal leaves out stays. Raises `Forbidden` as
        `SongCatalogue.edit` does."""
        song = self._song_catalogue.get(song_id)
        return self._song_catalogue.edit(person_id, song_id, (song.proposed_tags or Tags()).over(song.tags))

    def decline(self, person_id: str, song_id: str) -> None:
        """Nobody is asked again. Raises `Forbidden` to anyone but the owner of the song."""
        song = self._song_catalogue.get(song_id)
        self._song_catalogue.require_owner(song, person_id)

        def decide(current: Song) -> Decision[Song]:
            return replace(current, proposed_tags=Tags(), updated_at=self._clock()), []

        self._work.update(self._songs, song.id, decide)


def _is_nameless(song: Song) -> bool:
    """And nobody has asked yet."""
    return song.proposed_tags is None and not song.is_removed and not (song.tags.artist and song.tags.title)
