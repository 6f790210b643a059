from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from demixer.domain import Song, SongState, Tags
from demixer.ports import Catalogue, SongDocument
from search.documents import documents

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def a_song(song_id: str) -> Song:
    return Song(
        id=song_id,
        owner_id="p",
        sha256="",
        audio_key="",
        cover_key="",
        fingerprint=b"",
        tags=Tags(),
        duration=1.0,
        created_at=NOW,
        updated_at=NOW,
        state=SongState.ACTIVE,
        version=1,
    )


class Listing:
    """The songs of a catalogue by id, which changes when a page was read."""

    def __init__(self, songs: Sequence[Song], after_page: Callable[["Listing"], object] = lambda listing: None) -> None:
        self.songs, self._after_page = list(songs), after_page

    def list_visible(self, *, order: str, limit: int, offset: int = 0) -> Sequence[Song]:
        assert order == "id"
        page = sorted(self.songs, key=lambda song: song.id)[offset : offset + limit]
        self._after_page(self)
        return page


def catalogue_of(listing: Listing) -> Catalogue:
    return cast(Catalogue, SimpleNamespace(songs=listing))


def ids(listing: Listing) -> list[str]:
    return [one.id for one in documents(catalogue_of(listing))]


def many(count: int, titled: str = "") -> list[Song]:
    return [replace(a_song(f"{number:05d}"), tags=Tags(title=titled)) for number in range(count)]


def test_a_document_says_what_a_result_shows() -> None:
    tags = Tags(artist="Björk", album="Homogenic", title="Jóga", year=1997)
    song = replace(a_song("s"), tags=tags, cover_key="covers/s", plays=3, version=7, duration=305.5)
    assert SongDocument.of(song) == SongDocument(
        id="s",
        artist="Björk",
        album="Homogenic",
        title="Jóga",
        year=1997,
        duration=305.5,
        cover=True,
        plays=3,
        revision=7,
    )


def test_a_song_without_cover_says_so() -> None:
    assert not SongDocument.of(a_song("s")).cover


def test_every_song_comes_once_whatever_their_number() -> None:
    for count in (0, 1, 499, 500, 501, 950, 951, 1_000, 2_345):
        assert ids(Listing(many(count))) == [song.id for song in many(count)]


def test_songs_removed_meanwhile_do_not_hide_others() -> None:
    def remove_some(listing: Listing) -> None:
        del listing.songs[:20]

    read = ids(Listing(many(2_000), remove_some))
    assert set(read) >= {song.id for song in many(2_000)[500:]}
    assert len(read) == len(set(read))


def test_songs_added_meanwhile_do_not_repeat_others() -> None:
    fresh = iter(range(10_000))

    def add_some(listing: Listing) -> None:
        listing.songs += [a_song(f"!{next(fresh):05d}") for _ in range(30)]

    read = ids(Listing(many(1_500), add_some))
    assert [one for one in read if not one.startswith("!")] == [song.id for song in many(1_500)]
