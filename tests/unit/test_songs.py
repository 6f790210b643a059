from pathlib import Path

import pytest

from demixer.domain import Song, Tags
from demixer.domain.errors import Forbidden, NotFound, Refused
from demixer.services import songs
from demixer.wiring import Services
from tests.steps import bytes_of, matched, sent, separated, song_of
from tests.wired import Clock, published


@pytest.fixture
def song(services: Services, tmp_path: Path) -> Song:
    upload = matched(services, sent(services, "ana"))
    separated(services, tmp_path / "stems", upload.song_id or "")
    return song_of(services, upload.song_id)


def test_its_owner_may_edit_it_and_an_event_says_so(services: Services, song: Song) -> None:
    tags = Tags(artist="Café Tacvba", title="El baile y el salón", album="Re", year=1994)
    assert services.songs.edit("ana", song.id, tags).tags == tags
    services.flush()
    assert [event.type for event in published(services, "songs")] == ["song.separated", "song.edited"]


def test_nobody_else_may_edit_it(services: Services, song: Song) -> None:
    with pytest.raises(Forbidden):
        services.songs.edit("berta", song.id, Tags(title="Mine"))
    with pytest.raises(Forbidden):
        services.songs.set_cover("berta", song.id, b"jpeg")
    assert song_of(services, song.id) == song


@pytest.mark.parametrize(
    ("tags", "code"),
    [(Tags(title="x" * 301), "text-long"), (Tags(artist="x" * 301), "text-long"), (Tags(year=999), "bad-year")],
)
def test_invalid_tags_are_refused(services: Services, song: Song, tags: Tags, code: str) -> None:
    with pytest.raises(Refused, match=code):
        services.songs.edit("ana", song.id, tags)


def test_a_new_cover_replaces_the_old_one(services: Services, song: Song, clock: Clock) -> None:
    first = services.songs.set_cover("ana", song.id, b"one").cover_key
    clock.advance(1)
    second = services.songs.set_cover("ana", song.id, b"two").cover_key
    assert bytes_of(services, second) == b"two"
    assert services.files.size(first) is None


def test_a_song_that_is_not_there_is_not_found(services: Services) -> None:
    for act in (services.songs.get, services.songs.count_play):
        with pytest.raises(NotFound) as caught:
            act("nothing")
        assert caught.value.code == "no-such-song"


def test_a_stem_has_a_key_and_a_name_for_people(services: Services, song: Song) -> None:
    stem = services.songs.stem_file(song.id, "vocals", "mp3")
    assert stem.key == f"songs/{song.id}/{song.separation_id}/vocals.mp3"
    assert stem.name == "Somebody - Song (vocals).mp3"
    with pytest.raises(NotFound) as caught:
        services.songs.stem_file(song.id, "triangle", "mp3")
    assert caught.value.code == "no-such-stem"


def test_the_stems_come_in_listening_order(services: Services, song: Song) -> None:
    view = services.songs.view(song.id, "ana")
    assert [stem.name for stem in view.stems] == ["vocals", "accompaniment"]
    assert (view.is_owner, view.in_library, view.next) == (True, False, None)


def test_a_song_is_added_to_a_library_and_removed_from_it(services: Services, song: Song) -> None:
    for _ in range(2):
        services.songs.add_to_library("berta", song.id)
    assert services.songs.view(song.id, "berta").in_library
    assert not services.songs.view(song.id, "ana").in_library
    services.songs.remove_from_library("berta", song.id)
    assert not services.songs.view(song.id, "berta").in_library


def test_plays_are_counted(services: Services, song: Song) -> None:
    services.songs.count_play(song.id)
    assert song_of(services, song.id).plays == 1


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (Tags(artist="AC/DC", title="T.N.T."), "AC_DC - T.N.T"),
        (Tags(title='a\\b:c*d?e"f<g>h|i\x00j'), "a_b_c_d_e_f_g_h_i_j"),
        (Tags(), "song"),
        (Tags(title="..."), "song"),
        (Tags(title="é" * 200), "é" * 90),
        (Tags(title="x" * 179 + " y"), "x" * 179),
    ],
)
def test_the_name_of_a_download_is_valid_on_every_file_system(tags: Tags, name: str) -> None:
    assert songs.file_name(tags) == name
