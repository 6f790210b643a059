from pathlib import Path

import pytest

from demixer.domain import Song, Tags
from demixer.domain.errors import Forbidden, NotFound, Refused
from demixer.services import songs
from demixer.wiring import House
from tests.houses import Clock, published
from tests.ways import bytes_of, matched, sent, separated, song_of


@pytest.fixture
def song(house: House, tmp_path: Path) -> Song:
    upload = matched(house, sent(house, "ana"))
    separated(house, tmp_path / "stems", upload.song_id or "")
    return song_of(house, upload.song_id)


def test_whoever_brought_it_may_edit_it_and_the_others_are_told(house: House, song: Song) -> None:
    tags = Tags(artist="Café Tacvba", title="El baile y el salón", album="Re", year=1994)
    assert songs.edit(house, "ana", song.id, tags).tags == tags
    assert [event.type for event in published(house, "songs")] == ["song.separated", "song.edited"]


def test_nobody_else_may_edit_it(house: House, song: Song) -> None:
    with pytest.raises(Forbidden):
        songs.edit(house, "berta", song.id, Tags(title="Mine"))
    with pytest.raises(Forbidden):
        songs.set_cover(house, "berta", song.id, b"jpeg")
    assert song_of(house, song.id) == song


@pytest.mark.parametrize(
    ("tags", "code"),
    [(Tags(title="x" * 301), "text-long"), (Tags(artist="x" * 301), "text-long"), (Tags(year=999), "bad-year")],
)
def test_what_makes_no_sense_is_refused(house: House, song: Song, tags: Tags, code: str) -> None:
    with pytest.raises(Refused, match=code):
        songs.edit(house, "ana", song.id, tags)


def test_a_new_cover_replaces_the_old_one(house: House, song: Song, clock: Clock) -> None:
    first = songs.set_cover(house, "ana", song.id, b"one").cover_key
    clock.advance(1)
    second = songs.set_cover(house, "ana", song.id, b"two").cover_key
    assert bytes_of(house, second) == b"two"
    assert house.files.size(first) is None


def test_a_song_that_is_not_there_is_not_found(house: House) -> None:
    for act in (songs.get, songs.played):
        with pytest.raises(NotFound) as caught:
            act(house, "nothing")
        assert caught.value.code == "no-such-song"


def test_a_stem_has_a_key_and_a_name_for_people(house: House, song: Song) -> None:
    stem = songs.stem_file(house, song.id, "vocals", "mp3")
    assert stem.key == f"songs/{song.id}/{song.separation_id}/vocals.mp3"
    assert stem.name == "Somebody - Song (vocals).mp3"
    with pytest.raises(NotFound) as caught:
        songs.stem_file(house, song.id, "triangle", "mp3")
    assert caught.value.code == "no-such-stem"


def test_the_stems_come_in_listening_order(house: House, song: Song) -> None:
    view = songs.view(house, song.id, "ana")
    assert [stem.name for stem in view.stems] == ["vocals", "accompaniment"]
    assert (view.is_owner, view.in_library, view.next) == (True, False, None)


def test_the_library_keeps_and_lets_go(house: House, song: Song) -> None:
    for _ in range(2):
        songs.keep(house, "berta", song.id)
    assert songs.view(house, song.id, "berta").in_library
    assert not songs.view(house, song.id, "ana").in_library
    songs.let_go(house, "berta", song.id)
    assert not songs.view(house, song.id, "berta").in_library


def test_plays_are_counted(house: House, song: Song) -> None:
    songs.played(house, song.id)
    assert song_of(house, song.id).plays == 1


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
def test_names_of_downloads_please_every_file_system(tags: Tags, name: str) -> None:
    assert songs.file_name(tags) == name
