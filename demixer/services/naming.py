"""Names for a song whose tags say too little: asked for once, shown to whoever brought it, who takes them or not."""

from collections.abc import Callable
from dataclasses import replace

from demixer.domain import Song, Tags
from demixer.services import songs
from demixer.services.optimistic import Decision, change
from demixer.wiring import House


def propose(house: House, song_id: str, look_up: Callable[[bytes], Tags | None]) -> None:
    """`look_up` makes names of a fingerprint; after None, no answer, the song is as if nobody had asked."""
    song = house.catalogue.songs.get(song_id)
    found = look_up(song.fingerprint) if song and _nameless(song) else None
    if found is not None:
        change(house.catalogue.songs, song_id, lambda current: _with(house, current, found))


def accept(house: House, person_id: str, song_id: str) -> Song:
    """The song is called as proposed; what the proposal leaves out stays. Raises `Forbidden` as `songs.edit` does."""
    song = songs.get(house, song_id)
    return songs.edit(house, person_id, song_id, (song.proposed_tags or Tags()).over(song.tags))


def decline(house: House, person_id: str, song_id: str) -> None:
    """Nobody is asked again. Raises `Forbidden` to anyone but who brought the song."""
    song = songs.get(house, song_id)
    songs.check_mine(house, song, person_id)
    change(house.catalogue.songs, song.id, lambda current: _settled(house, current))


def _nameless(song: Song) -> bool:
    """And nobody has asked yet."""
    return song.proposed_tags is None and not song.is_removed and not (song.tags.artist and song.tags.title)


def _with(house: House, song: Song, found: Tags) -> Decision[Song]:
    """Unless somebody has named it meanwhile."""
    return (replace(song, proposed_tags=found, updated_at=house.now()), []) if _nameless(song) else None


def _settled(house: House, song: Song) -> Decision[Song]:
    return replace(song, proposed_tags=Tags(), updated_at=house.now()), []
