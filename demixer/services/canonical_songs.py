"""Which song stands for which: songs that were merged keep their id, and another song is shown in their place."""

from collections.abc import Collection, Mapping, Sequence

from demixer.domain import Song
from demixer.domain.errors import NotFound
from demixer.ports import Songs

LONGEST_CHAIN = 50  # merges of merges; a longer chain is a loop


class CanonicalSongs:
    """Follows the chains of merges. Only reads."""

    def __init__(self, songs: Songs) -> None:
        self._songs = songs

    def find(self, song_id: str) -> Song:
        """The song with that id, also a merged one. Raises `NotFound("no-such-song")`, also for a removed one."""
        song = self._songs.get(song_id)
        if song is None or song.is_removed:
            raise NotFound("no-such-song")
        return song

    def of(self, song: Song) -> Song:
        """The song that is shown in the place of this one: itself, or the end of its merge chain."""
        return [song, *self.chain(song)][-1]

    def of_many(self, songs: Collection[Song]) -> Mapping[str, Song]:
        """`of` for each, by the id of the song asked for. One query a link of the longest chain."""
        found = {song.id: song for song in songs}
        for _ in range(LONGEST_CHAIN):
            merged = {song.merged_into for song in found.values() if song.merged_into}
            if not merged:
                break
            others = self._songs.get_many(merged)
            next_ = {
                song_id: other
                for song_id, song in found.items()
                if (other := others.get(song.merged_into or "")) is not None and not other.is_removed
            }
            if not next_:
                break
            found = {**found, **next_}
        return found

    def merged_with(self, song: Song) -> Sequence[Song]:
        """The songs that were merged into this one, itself first."""
        others = self._songs.get_many(song.merged_ids) if song.merged_ids else {}
        ordered = (others.get(song_id) for song_id in song.merged_ids)
        return [song, *(other for other in ordered if other is not None and not other.is_removed)]

    def chain(self, song: Song) -> Sequence[Song]:
        """What it was merged into, and what that was merged into, and so on."""
        found: list[Song] = []
        while song.merged_into and song.merged_into not in {one.id for one in found}:
            other = self._songs.get(song.merged_into)
            if other is None or other.is_removed:
                break
            found.append(other)
            song = other
        return found
