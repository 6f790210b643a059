from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demixer.domain import Song, SongState, Tags
from demixer.domain.errors import Forbidden, NotFound
from demixer.ports import NameLookup
from demixer.services.naming import Naming
from demixer.wiring import Services
from tests.steps import an_analysis, matched, sent, separated, song_of
from tests.wired import published

KNOWN = Tags(artist="The Easton Ellises", album="EP One", title="Falcon 69")


class Asked:
    """Answers `found`, and counts."""

    def __init__(self, found: Tags | None = KNOWN) -> None:
        self.found, self.prints = found, list[bytes]()

    def __call__(self, fingerprint: bytes) -> Tags | None:
        self.prints.append(fingerprint)
        return self.found


@pytest.fixture
def song(services: Services) -> Song:
    """Brought by Ana, in a file without tags that is called track01.mp3."""
    return song_of(services, matched(services, sent(services, "ana"), an_analysis(artist="", title="track01")).song_id)


def propose(services: Services, song_id: str, look_up: NameLookup) -> None:
    """As the `names` consumer does it, where `look_up` is whom it asks."""
    Naming(services.catalogue.songs, services.songs, look_up, services.work, services.clock).propose(song_id)


def proposed(services: Services, song: Song) -> Tags | None:
    return song_of(services, song.id).proposed_tags


def test_a_song_without_an_artist_is_asked_about_once(services: Services, song: Song) -> None:
    look_up = Asked()
    for _ in range(2):
        propose(services, song.id, look_up)
    assert look_up.prints == [song.fingerprint]
    assert proposed(services, song) == KNOWN
    assert song_of(services, song.id).tags == song.tags, "nobody has agreed"


def test_where_nothing_is_known_nobody_asks_again(services: Services, song: Song) -> None:
    look_up = Asked(Tags())
    for _ in range(2):
        propose(services, song.id, look_up)
    assert len(look_up.prints) == 1
    assert services.songs.view(song.id, "ana").proposed_tags is None


def test_without_an_answer_it_can_be_asked_again(services: Services, song: Song) -> None:
    propose(services, song.id, Asked(None))
    assert song_of(services, song.id) == song
    propose(services, song.id, Asked())
    assert proposed(services, song) == KNOWN


@pytest.mark.parametrize("changes", [{"tags": Tags(artist="A", title="B")}, {"state": SongState.WITHDRAWN}])
def test_nobody_asks_about_a_song_that_has_names_or_is_gone(services: Services, song: Song, changes: Any) -> None:
    services.catalogue.songs.save(replace(song, **changes))
    look_up = Asked()
    propose(services, song.id, look_up)
    propose(services, "no such song", look_up)
    assert look_up.prints == []


@pytest.mark.parametrize("tags", [Tags(artist="A"), Tags(title="B"), Tags()])
def test_an_artist_and_a_title_are_what_makes_a_name(services: Services, song: Song, tags: Tags) -> None:
    services.catalogue.songs.save(replace(song, tags=tags))
    propose(services, song.id, Asked())
    assert proposed(services, song) == KNOWN


def test_names_that_a_person_gives_meanwhile_win(services: Services, song: Song) -> None:
    def slow(fingerprint: bytes) -> Tags:
        services.songs.edit("ana", song.id, Tags(artist="Ana", title="Mine"))
        return KNOWN

    propose(services, song.id, slow)
    assert proposed(services, song) == Tags()


def test_only_its_owner_is_shown_the_names(services: Services, song: Song) -> None:
    propose(services, song.id, Asked())
    seen = [services.songs.view(song.id, person).proposed_tags for person in ("ana", "berta", None)]
    assert seen == [KNOWN, None, None]


def test_accepted_names_are_those_of_the_song_and_an_event_says_so(services: Services, song: Song) -> None:
    services.catalogue.songs.save(replace(song, tags=replace(song.tags, album="Mine", year=1999)))
    propose(services, song.id, Asked(replace(KNOWN, album="")))
    for _ in range(2):
        accepted = services.naming.accept("ana", song.id)
        assert accepted.tags == Tags(artist=KNOWN.artist, title=KNOWN.title, album="Mine", year=1999)
        assert accepted.proposed_tags == Tags()
    services.flush()
    assert "song.edited" in [event.type for event in published(services, "songs")]


def test_declined_names_do_not_come_back(services: Services, song: Song) -> None:
    look_up = Asked()
    propose(services, song.id, look_up)
    services.naming.decline("ana", song.id)
    propose(services, song.id, look_up)
    assert (proposed(services, song), len(look_up.prints)) == (Tags(), 1)
    assert song_of(services, song.id).tags == song.tags


def test_an_edit_settles_what_was_proposed(services: Services, song: Song) -> None:
    propose(services, song.id, Asked())
    services.songs.edit("ana", song.id, Tags(title="track01"))
    assert services.songs.view(song.id, "ana").proposed_tags is None


def test_a_new_cover_settles_nothing(services: Services, song: Song) -> None:
    propose(services, song.id, Asked())
    services.songs.set_cover("ana", song.id, b"jpeg")
    assert proposed(services, song) == KNOWN


@pytest.mark.parametrize("act", [Naming.accept, Naming.decline])
def test_nobody_else_decides(services: Services, song: Song, act: Callable[[Naming, str, str], object]) -> None:
    propose(services, song.id, Asked())
    before = song_of(services, song.id)
    with pytest.raises(Forbidden):
        act(services.naming, "berta", song.id)
    with pytest.raises(NotFound):
        act(services.naming, "ana", "no such song")
    assert song_of(services, song.id) == before


def test_the_names_stay_while_the_stems_are_made(services: Services, song: Song, tmp_path: Path) -> None:
    propose(services, song.id, Asked())
    separated(services, tmp_path / "stems", song.id)
    assert (proposed(services, song), song_of(services, song.id).has_stems) == (KNOWN, True)
