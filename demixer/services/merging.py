"""Two songs of the catalogue that turned out to be one: one of them stands for both, and nothing of the other is lost.

The merged song keeps its id, its stems, its uploads and its place in the fingerprint index, so every link to a stem
stays what it was, files are recognised by either, and a merge can be undone. Who looks for it, edits or keeps it
meanwhile is given the song it was merged into, and what they do stays with that. Each step may be repeated.
"""

from collections.abc import Sequence
from dataclasses import replace

from demixer.domain import Song, events, require
from demixer.domain.errors import NotFound
from demixer.services.optimistic import Decision, change
from demixer.wiring import House


def itself(house: House, song_id: str) -> Song:
    """The song with that id, also a merged one. Raises `NotFound("no-such-song")`, also for one that was removed."""
    song = house.catalogue.songs.get(song_id)
    if song is None or song.is_removed:
        raise NotFound("no-such-song")
    return song


def standing(house: House, song: Song) -> Song:
    """The song that stands for this one: itself, or the one it was merged into."""
    return [song, *_above(house, song)][-1]


def merged_with(house: House, song: Song) -> Sequence[Song]:
    """The songs that were merged into this one, itself first."""
    others = (house.catalogue.songs.get(song_id) for song_id in song.merged_ids)
    return [song, *(other for other in others if other is not None and not other.is_removed)]


def merge(house: House, song_id: str, into_id: str) -> Song:
    """The song that stands for both from now on. Raises `NotFound`, `Refused` ("not-ready", "same-song")."""
    song, into = (standing(house, itself(house, one)) for one in (song_id, into_id))
    require(song.id != into.id, "same-song")
    require(song.is_visible and into.is_visible, "not-ready")
    gained = (song.id, *song.merged_ids)
    kept = change(house.catalogue.songs, into.id, lambda current: _with(house, current, gained))
    change(house.catalogue.songs, song.id, lambda current: _merged(house, current, into.id))
    house.flush()
    return kept


def unmerge(house: House, song_id: str) -> Song:
    """Undo `merge`: the song stands for itself again. Raises `NotFound`, `Refused("not-merged")`."""
    song = itself(house, song_id)
    require(song.merged_into is not None, "not-merged")
    lost = {song.id, *song.merged_ids}
    for above in _above(house, song):
        change(house.catalogue.songs, above.id, lambda current: _without(house, current, lost))
    back = change(house.catalogue.songs, song.id, lambda current: _unmerged(house, current))
    house.flush()
    return back


def _above(house: House, song: Song) -> Sequence[Song]:
    """What it was merged into, and what that was merged into, and so on."""
    found: list[Song] = []
    while song.merged_into and song.merged_into not in {one.id for one in found}:
        other = house.catalogue.songs.get(song.merged_into)
        if other is None or other.is_removed:
            break
        found.append(other)
        song = other
    return found


def _with(house: House, song: Song, gained: Sequence[str]) -> Decision[Song]:
    merged = tuple(dict.fromkeys((*song.merged_ids, *gained)))
    return None if merged == song.merged_ids else (replace(song, merged_ids=merged, updated_at=house.now()), [])


def _without(house: House, song: Song, lost: set[str]) -> Decision[Song]:
    merged = tuple(one for one in song.merged_ids if one not in lost)
    return None if merged == song.merged_ids else (replace(song, merged_ids=merged, updated_at=house.now()), [])


def _merged(house: House, song: Song, into: str) -> Decision[Song]:
    if song.merged_into == into:
        return None
    gone = replace(song, merged_into=into, updated_at=house.now())
    return gone, [events.song_merged(gone)]


def _unmerged(house: House, song: Song) -> Decision[Song]:
    if song.merged_into is None:
        return None
    back = replace(song, merged_into=None, updated_at=house.now())
    return back, [events.song_unmerged(back)]
