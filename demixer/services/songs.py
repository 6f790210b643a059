"""What people do with a song of the catalogue: look, edit, keep, play, download a stem."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from demixer.domain import Relation, Separation, SeparationState, Song, Stem, Tags, events, require
from demixer.domain.errors import Forbidden, NotFound, Transient
from demixer.domain.stems import list_position
from demixer.ports import Catalogue, Files, SearchIndex, SearchPage, SongDocument
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.relations import Relations
from demixer.services.storage import store_bytes
from demixer.services.unit_of_work import Decision, UnitOfWork

TEXT_LENGTH = 300  # characters an artist, album or title may have
YEARS = range(1000, 3000)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SongView:
    """Everything a page or the API shows of a song."""

    song: Song
    separation: Separation | None  # whose stems are shown
    next: Separation | None  # a better one on its way
    stems: Sequence[Stem]  # in listening order; empty until ready
    in_library: bool  # of whoever looks
    is_owner: bool  # whoever looks may edit it
    related_songs: Sequence[tuple[Relation, Song]]  # other mixes, edits and versions that people can see
    proposed_tags: Tags | None  # names that whoever looks may accept


@dataclass(frozen=True, slots=True)
class SearchResult(SearchPage):
    """`degraded`: the search engine is down, so these are only songs whose artist, album or title begins with the
    query, and there are at least `total`."""

    degraded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StemFile:
    """Where the bytes of a stem are, and what a download of it is called."""

    key: str
    name: str  # for people: "Artist - Title (vocals).mp3"
    separation: Separation


class SongCatalogue:
    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        search: SearchIndex,
        canonical: CanonicalSongs,
        relations: Relations,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._songs, self._separations, self._libraries = catalogue.songs, catalogue.separations, catalogue.libraries
        self._files, self._search, self._canonical, self._relations = files, search, canonical, relations
        self._work, self._clock = work, clock

    def get(self, song_id: str) -> Song:
        """Of one that was merged, the song that is shown in its place. Raises `NotFound("no-such-song")`, also if
        removed."""
        return self._canonical.of(self._canonical.find(song_id))

    def view(self, song_id: str, person_id: str | None, *, as_merged: bool = False) -> SongView:
        """`as_merged`: a merged song rather than the one shown in its place. Raises `NotFound("no-such-song")`."""
        song = self._canonical.find(song_id) if as_merged else self.get(song_id)
        wanted = [one for one in (song.separation_id, song.next_separation_id) if one]
        separations = self._separations.get_many(wanted) if wanted else {}
        separation = separations.get(song.separation_id or "")
        upcoming = separations.get(song.next_separation_id or "")
        is_owner = self._is_owner(song, person_id)
        return SongView(
            song=song,
            separation=separation,
            next=upcoming if upcoming and upcoming.is_open else None,
            stems=sorted(separation.stems, key=lambda stem: list_position(stem.name)) if separation else (),
            in_library=bool(person_id) and any(self._libraries.contains(person_id or "", one) for one in _ids(song)),
            is_owner=is_owner,
            related_songs=self._relations.of(song),
            proposed_tags=song.proposed_tags if is_owner and song.proposed_tags != Tags() else None,
        )

    def require_owner(self, song: Song, person_id: str) -> None:
        """Raises `Forbidden` to anyone but who brought the song, or one that was merged into it."""
        if not self._is_owner(song, person_id):
            raise Forbidden

    def edit(self, person_id: str, song_id: str, tags: Tags) -> Song:
        """Whoever edits has said what the song is called: names that were proposed are settled with it.

        Raises `Forbidden` to anyone but its owner, `Refused` ("text-long", "bad-year").
        """
        for text in (tags.artist, tags.album, tags.title):
            require(len(text) <= TEXT_LENGTH, "text-long", length=TEXT_LENGTH)
        require(tags.year is None or tags.year in YEARS, "bad-year")
        return self._edit(person_id, song_id, lambda song: replace(song, tags=tags, proposed_tags=Tags()))

    def set_cover(self, person_id: str, song_id: str, jpeg: bytes) -> Song:
        """`jpeg` as `demixer.audio.cover.clean_cover` gives it. The old cover is deleted."""
        song = self.get(song_id)
        self.require_owner(song, person_id)
        key = f"covers/{song.id}-{int(self._clock().timestamp() * 1000):x}.jpg"
        store_bytes(self._files, key, jpeg)
        before = self.get(song_id).cover_key
        edited = self._edit(person_id, song_id, lambda song: replace(song, cover_key=key))
        if before:
            self._files.delete(before)
        return edited

    def add_to_library(self, person_id: str, song_id: str) -> None:
        self._libraries.add(person_id, self.get(song_id).id, self._clock())

    def remove_from_library(self, person_id: str, song_id: str) -> None:
        for one in _ids(self.get(song_id)):
            self._libraries.remove(person_id, one)

    def library(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
        """The songs a person keeps, the last added first. One that was added as itself and as a merged one comes
        twice."""
        kept = self._libraries.songs(person_id, limit=limit, offset=offset)
        canonical = self._canonical.of_many(kept)
        return [canonical[song.id] for song in kept]

    def count_play(self, song_id: str) -> None:
        self._songs.count_play(self.get(song_id).id)

    def browse(self, *, order: str, limit: int, offset: int = 0) -> Sequence[Song]:
        """All songs that people can find. `order` is `newest` or `most-played`."""
        return self._songs.list_visible(order=order, limit=limit, offset=offset)

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchResult:
        """While the search engine is down: songs that begin with the query, the most played first."""
        try:
            page = self._search.search(query, limit=limit, offset=offset)
        except Transient as error:
            log.warning("the search engine is down, the catalogue answers: %s", error)
            return self._by_prefix(query, limit, offset)
        return SearchResult(page.songs, page.total, page.highlights)

    def stem_file(self, song_id: str, stem: str, extension: str) -> StemFile:
        """The file of a stem. A stem that only an older model made keeps its address, and so do those of a merged
        song.

        Raises `NotFound("no-such-stem")`, also while the song has no stems yet.
        """
        for song in self._with_merged(song_id):
            for separation in self._ready_separations(song):
                if separation.stem(stem):
                    return StemFile(
                        key=f"{separation.folder}/{stem}.{extension}",
                        name=f"{file_name(song.tags)} ({stem}).{extension}",
                        separation=separation,
                    )
        raise NotFound("no-such-stem")

    def cover_file(self, song_id: str) -> str:
        """The key of its cover. Raises `NotFound` without one."""
        covers = (one.cover_key for one in self._with_merged(song_id) if one.cover_key)
        if key := next(covers, None):
            return key
        raise NotFound

    def _by_prefix(self, query: str, limit: int, offset: int) -> SearchResult:
        """One more is asked for, to tell whether there are more."""
        songs = self._songs.list_visible(order="most-played", limit=limit + 1, offset=offset, prefix=query)
        return SearchResult([SongDocument.of(song) for song in songs[:limit]], offset + len(songs), degraded=True)

    def _with_merged(self, song_id: str) -> Sequence[Song]:
        """The song with that id, even a merged one; then those that are the same, the one that is shown first."""
        return [self._canonical.find(song_id), *self._canonical.merged_with(self.get(song_id))]

    def _is_owner(self, song: Song, person_id: str | None) -> bool:
        return any(one.owner_id == person_id for one in self._canonical.merged_with(song))

    def _ready_separations(self, song: Song) -> Sequence[Separation]:
        """The one it shows first."""
        made = [each for each in self._separations.of_song(song.id) if each.state is SeparationState.READY]
        return sorted(made, key=lambda each: each.id == song.separation_id, reverse=True)

    def _edit(self, person_id: str, song_id: str, alter: Callable[[Song], Song]) -> Song:
        def decide(song: Song) -> Decision[Song]:
            self.require_owner(song, person_id)
            edited = replace(alter(song), updated_at=self._clock())
            return edited, [events.song_edited(edited)]

        return self._work.update(self._songs, self.get(song_id).id, decide)


def file_name(tags: Tags) -> str:
    """A name for downloads: "Artist - Title" without what file systems dislike.

    At most 180 bytes, so that with " (accompaniment).flac" it stays below the 255 that file systems take.
    """
    text = " - ".join(part for part in (tags.artist, tags.title) if part) or "song"
    kept = "".join("_" if char in '\\/:*?"<>|' or ord(char) < 32 else char for char in text)
    return kept.encode()[:180].decode(errors="ignore").strip(" .") or "song"


def _ids(song: Song) -> Sequence[str]:
    return song.id, *song.merged_ids
