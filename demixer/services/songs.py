"""What people do with a song of the catalogue: look, edit, keep, play, download a stem."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from demixer.domain import Relation, Separation, SeparationState, Song, Stem, Tags, events, require
from demixer.domain.errors import Forbidden, NotFound, Transient
from demixer.ports import SearchPage, SongDocument
from demixer.services import merging, relations
from demixer.services.optimistic import Decision, change
from demixer.services.storage import keep_bytes
from demixer.wiring import House

TEXT_LENGTH = 300  # characters an artist, album or title may have
YEARS = range(1000, 3000)
ORDER = ("vocals", "drums", "bass", "guitar", "piano", "other", "accompaniment")  # how stems are listed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SongView:
    """Everything a page or the API shows of a song."""

    song: Song
    separation: Separation | None  # whose stems are shown
    next: Separation | None  # a better one on its way
    stems: Sequence[Stem]  # in listening order; empty until ready
    in_library: bool  # in the library of whoever looks
    is_owner: bool  # may be edited by whoever looks
    related_songs: Sequence[tuple[Relation, Song]]  # other mixes, edits and versions that people can see
    proposed_tags: Tags | None  # names that whoever looks may take


@dataclass(frozen=True, slots=True)
class Found(SearchPage):
    """`resting`: the search engine is down, so these are only songs whose artist, album or title begins with the query,
    and there are at least `total`."""

    resting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StemFile:
    """Where the bytes of a stem are, and what a download of it is called."""

    key: str
    name: str  # for people: "Artist - Title (vocals).mp3"
    separation: Separation


def get(house: House, song_id: str) -> Song:
    """Of one that was merged, the song that stands for it. Raises `NotFound("no-such-song")`, also if removed."""
    return merging.standing(house, merging.itself(house, song_id))


def view(house: House, song_id: str, person_id: str | None, *, itself: bool = False) -> SongView:
    """`itself`: a merged song rather than the one that stands for it. Raises `NotFound("no-such-song")`."""
    song = merging.itself(house, song_id) if itself else get(house, song_id)
    separation = house.catalogue.separations.get(song.separation_id or "")
    upcoming = house.catalogue.separations.get(song.next_separation_id or "")
    mine = _brought(house, song, person_id)
    return SongView(
        song=song,
        separation=separation,
        next=upcoming if upcoming and upcoming.is_open else None,
        stems=sorted(separation.stems, key=_place) if separation else (),
        in_library=bool(person_id)
        and any(house.catalogue.libraries.contains(person_id or "", one) for one in _ids(song)),
        is_owner=mine,
        related_songs=relations.relatives(house, song),
        proposed_tags=song.proposed_tags if mine and song.proposed_tags != Tags() else None,
    )


def check_mine(house: House, song: Song, person_id: str) -> None:
    """Raises `Forbidden` to anyone but who brought the song, or one that was merged into it."""
    if not _brought(house, song, person_id):
        raise Forbidden


def edit(house: House, person_id: str, song_id: str, tags: Tags) -> Song:
    """Whoever edits has said what the song is called: names that were proposed are settled with it.

    Raises `Forbidden` to anyone but who brought the song, `Refused` ("text-long", "bad-year").
    """
    for text in (tags.artist, tags.album, tags.title):
        require(len(text) <= TEXT_LENGTH, "text-long", length=TEXT_LENGTH)
    require(tags.year is None or tags.year in YEARS, "bad-year")
    return _edited(house, person_id, song_id, lambda song: replace(song, tags=tags, proposed_tags=Tags()))


def set_cover(house: House, person_id: str, song_id: str, jpeg: bytes) -> Song:
    """`jpeg` as `demixer.audio.tags.clean_cover` gives it. The old cover is forgotten."""
    song = get(house, song_id)
    check_mine(house, song, person_id)
    key = cover_key(house, song.id)
    keep_bytes(house.files, key, jpeg)
    before = get(house, song_id).cover_key
    song = _edited(house, person_id, song_id, lambda song: replace(song, cover_key=key))
    if before:
        house.files.delete(before)
    return song


def cover_key(house: House, name: str) -> str:
    return f"covers/{name}-{int(house.now().timestamp() * 1000):x}.jpg"


def keep(house: House, person_id: str, song_id: str) -> None:
    """Put a song into the person's library."""
    house.catalogue.libraries.add(person_id, get(house, song_id).id, house.now())


def let_go(house: House, person_id: str, song_id: str) -> None:
    for one in _ids(get(house, song_id)):
        house.catalogue.libraries.remove(person_id, one)


def library(house: House, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
    """The songs a person keeps, the last kept first. One that was kept as itself and as a merged one comes twice."""
    kept = house.catalogue.libraries.songs(person_id, limit=limit, offset=offset)
    return [merging.standing(house, song) for song in kept]


def played(house: House, song_id: str) -> None:
    house.catalogue.songs.count_play(get(house, song_id).id)


def search(house: House, query: str, *, limit: int, offset: int = 0) -> Found:
    """While the search engine is down: those that begin so, the most played first."""
    try:
        page = house.search.search(query, limit=limit, offset=offset)
    except Transient as error:
        log.warning("the search engine is down, the catalogue answers: %s", error)
        return _beginning(house, query, limit, offset)
    return Found(page.songs, page.total, page.highlights)


def stem_file(house: House, song_id: str, stem: str, extension: str) -> StemFile:
    """The file of a stem. A stem that only an older model made keeps its address, and so do those of a merged song.

    Raises `NotFound("no-such-stem")`, also while the song has no stems yet.
    """
    for song in _together(house, song_id):
        for separation in _made(house, song):
            if separation.stem(stem):
                return StemFile(
                    key=f"{separation.folder}/{stem}.{extension}",
                    name=f"{file_name(song.tags)} ({stem}).{extension}",
                    separation=separation,
                )
    raise NotFound("no-such-stem")


def cover_file(house: House, song_id: str) -> str:
    """The key of its cover. Raises `NotFound` without one."""
    covers = (one.cover_key for one in _together(house, song_id) if one.cover_key)
    if key := next(covers, None):
        return key
    raise NotFound


def file_name(tags: Tags) -> str:
    """A name for downloads: "Artist - Title" without what file systems dislike.

    At most 180 bytes, so that with " (accompaniment).flac" it stays below the 255 that file systems take.
    """
    text = " - ".join(part for part in (tags.artist, tags.title) if part) or "song"
    kept = "".join("_" if char in '\\/:*?"<>|' or ord(char) < 32 else char for char in text)
    return kept.encode()[:180].decode(errors="ignore").strip(" .") or "song"


def _beginning(house: House, query: str, limit: int, offset: int) -> Found:
    """One more is asked for, to tell whether there are more."""
    listed = house.catalogue.songs.list_visible
    songs = listed(order="most-played", limit=limit + 1, offset=offset, prefix=query)
    return Found([SongDocument.of(song) for song in songs[:limit]], offset + len(songs), resting=True)


def _together(house: House, song_id: str) -> Sequence[Song]:
    """The song with that id, even a merged one; then those that are the same, with that which stands for them first."""
    return [merging.itself(house, song_id), *merging.merged_with(house, get(house, song_id))]


def _ids(song: Song) -> Sequence[str]:
    return song.id, *song.merged_ids


def _brought(house: House, song: Song, person_id: str | None) -> bool:
    return any(one.owner_id == person_id for one in merging.merged_with(house, song))


def _made(house: House, song: Song) -> Sequence[Separation]:
    """Its separations that are ready, that which it shows first."""
    made = [each for each in house.catalogue.separations.of_song(song.id) if each.state is SeparationState.READY]
    return sorted(made, key=lambda each: each.id == song.separation_id, reverse=True)


def _edited(house: House, person_id: str, song_id: str, alter: Callable[[Song], Song]) -> Song:
    def decide(song: Song) -> Decision[Song]:
        check_mine(house, song, person_id)
        edited = replace(alter(song), updated_at=house.now())
        return edited, [events.song_edited(edited)]

    song = change(house.catalogue.songs, get(house, song_id).id, decide)
    house.flush()
    return song


def _place(stem: Stem) -> int:
    return ORDER.index(stem.name) if stem.name in ORDER else len(ORDER)
