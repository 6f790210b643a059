"""Two songs that turned out to be one: every link goes on working, and a merge can be undone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import MatchMethod, Relation, RelationType, Song, Status, Tags, Upload
from demixer.domain.errors import Forbidden, NotFound, Refused
from demixer.recognition.fingerprint import Fingerprint
from demixer.services import lookups, matching, merging, relations, songs, uploads
from demixer.wiring import House
from tests.houses import published
from tests.ways import fingerprinted, heard, matched, now, sent, separated, song_of

Brought = Callable[[str, int], Song]


@pytest.fixture
def brought(house: House, tmp_path: Path) -> Brought:
    """A song with stems; another number is another recording."""

    def brought(person_id: str, number: int) -> Song:
        upload = matched(house, sent(house, person_id, f"bytes {number}".encode()), heard(number, title=f"No {number}"))
        separated(house, tmp_path / str(number), upload.song_id or "")
        return song_of(house, upload.song_id)

    return brought


@pytest.fixture
def two(brought: Brought) -> tuple[Song, Song]:
    return brought("ana", 1), brought("berta", 2)


def upload_of(house: House, song: Song) -> Upload:
    (upload,) = house.catalogue.uploads.of_song(song.id)
    return upload


def stored(house: House, song: Song) -> Song:
    return song_of(house, song.id)


def test_one_stands_for_both(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    merging.merge(house, other.id, kept.id)
    assert songs.get(house, other.id).id == songs.view(house, other.id, None).song.id == kept.id
    assert [song.id for song in house.catalogue.songs.list_visible(order="id", limit=9)] == [kept.id]
    assert published(house, "songs")[-1].type == "song.merged"
    assert published(house, "songs")[-1].data == {"song_id": other.id, "into": kept.id}


def test_every_stem_keeps_its_address_and_its_bytes(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    before = {one.id: songs.stem_file(house, one.id, "vocals", "flac").key for one in two}
    merging.merge(house, other.id, kept.id)
    assert {one.id: songs.stem_file(house, one.id, "vocals", "flac").key for one in two} == before
    with pytest.raises(NotFound):
        songs.stem_file(house, other.id, "bass", "flac")


def test_a_cover_keeps_its_address_and_serves_the_other_where_that_has_none(
    house: House, two: tuple[Song, Song]
) -> None:
    kept, other = two
    songs.set_cover(house, "berta", other.id, b"jpeg")
    key = songs.cover_file(house, other.id)
    with pytest.raises(NotFound):
        songs.cover_file(house, kept.id)
    merging.merge(house, other.id, kept.id)
    assert songs.cover_file(house, other.id) == songs.cover_file(house, kept.id) == key


def test_who_brought_either_may_edit_and_nobody_else(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    merging.merge(house, other.id, kept.id)
    songs.edit(house, "berta", other.id, Tags(title="Both"))
    assert stored(house, kept).tags.title == "Both"
    assert stored(house, other).tags.title == "No 2"
    assert songs.view(house, kept.id, "berta").is_owner
    with pytest.raises(Forbidden):
        songs.edit(house, "carla", other.id, Tags(title="Mine"))


def test_libraries_show_the_one_that_stands_and_let_go_of_both(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    songs.keep(house, "carla", other.id)
    merging.merge(house, other.id, kept.id)
    assert [song.id for song in songs.library(house, "carla", limit=9)] == [kept.id]
    assert songs.view(house, kept.id, "carla").in_library
    songs.let_go(house, "carla", kept.id)
    assert not songs.view(house, other.id, "carla").in_library
    assert not songs.library(house, "carla", limit=9)


def test_uploads_show_the_song_that_stands(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    merging.merge(house, other.id, kept.id)
    view = uploads.view(house, upload_of(house, other))
    assert (view.status, view.song and view.song.id) == (Status.READY, kept.id)


@pytest.mark.parametrize("data", [b"bytes 2", b"another encoding"], ids=["the same bytes", "the same recording"])
def test_what_is_like_the_merged_song_joins_the_one_that_stands(
    house: House, two: tuple[Song, Song], data: bytes
) -> None:
    kept, other = two
    merging.merge(house, other.id, kept.id)
    upload = matched(house, sent(house, "carla", data), heard(2))
    assert upload.matched_by is (MatchMethod.FILE if data == b"bytes 2" else MatchMethod.RECORDING)
    assert _shown(house, upload) == kept.id
    merging.unmerge(house, other.id)
    assert _shown(house, upload) == other.id
    again = matched(house, sent(house, "dora", data), heard(2))
    assert again.song_id == other.id


def _shown(house: House, upload: Upload) -> str:
    song = uploads.view(house, upload).song
    assert song
    return song.id


def test_a_print_of_the_merged_song_proposes_the_one_that_stands(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    merging.merge(house, other.id, kept.id)
    found = lookups.known(house, [Fingerprint.from_bytes(other.fingerprint)])
    assert found
    assert found.id == kept.id


def test_relatives_of_both_are_shown_once_and_neither_is_its_own(
    house: House, two: tuple[Song, Song], brought: Brought
) -> None:
    kept, other = two
    live = brought("carla", 3)
    for one in two:
        links = (
            Relation(song_id=live.id, type=RelationType.VERSION),
            Relation(song_id=other.id, type=RelationType.MIX),
        )
        house.catalogue.songs.save(replace(stored(house, one), relations=links))
    back = tuple(Relation(song_id=one.id, type=RelationType.VERSION) for one in two)
    house.catalogue.songs.save(replace(stored(house, live), relations=back))
    merging.merge(house, other.id, kept.id)
    assert [one.id for _, one in relations.relatives(house, stored(house, kept))] == [live.id]
    assert [one.id for _, one in relations.relatives(house, stored(house, live))] == [kept.id]


def test_undone_all_is_as_it_was(house: House, two: tuple[Song, Song]) -> None:
    before = {one.id: (songs.get(house, one.id), songs.stem_file(house, one.id, "vocals", "mp3")) for one in two}
    merging.merge(house, two[1].id, two[0].id)
    merging.unmerge(house, two[1].id)
    for one in two:
        song, file = before[one.id]
        after = songs.get(house, one.id)
        assert replace(after, version=0, updated_at=song.updated_at) == replace(song, version=0)
        assert songs.stem_file(house, one.id, "vocals", "mp3") == file
    assert published(house, "songs")[-1].type == "song.unmerged"


def test_one_merged_into_a_merged_one_stands_with_it_and_comes_back_with_it(
    house: House, two: tuple[Song, Song], brought: Brought
) -> None:
    first, second, third = *two, brought("carla", 3)
    merging.merge(house, third.id, second.id)
    merging.merge(house, second.id, first.id)
    assert songs.get(house, third.id).id == first.id
    assert set(stored(house, first).merged_ids) == {second.id, third.id}
    merging.unmerge(house, second.id)
    assert songs.get(house, third.id).id == second.id
    assert (stored(house, first).merged_ids, stored(house, second).merged_ids) == ((), (third.id,))
    merging.merge(house, second.id, first.id)
    merging.unmerge(house, third.id)
    assert songs.get(house, third.id).id == third.id
    assert stored(house, first).merged_ids == (second.id,)


def test_what_makes_no_sense_is_refused(house: House, two: tuple[Song, Song], brought: Brought) -> None:
    kept, other = two
    with pytest.raises(Refused, match="not-merged"):
        merging.unmerge(house, kept.id)
    with pytest.raises(Refused, match="same-song"):
        merging.merge(house, kept.id, kept.id)
    merging.merge(house, other.id, kept.id)
    with pytest.raises(Refused, match="same-song"):
        merging.merge(house, kept.id, other.id)
    waiting = song_of(house, matched(house, sent(house, "dora", b"new"), heard(9)).song_id)
    with pytest.raises(Refused, match="not-ready"):
        merging.merge(house, waiting.id, kept.id)


def test_a_merge_that_was_killed_half_way_is_finished_by_the_next(house: House, two: tuple[Song, Song]) -> None:
    kept, other = two
    house.catalogue.songs.save(replace(kept, merged_ids=(other.id,)))
    assert songs.get(house, other.id).id == other.id
    merging.merge(house, other.id, kept.id)
    assert (songs.get(house, other.id).id, stored(house, kept).merged_ids) == (kept.id, (other.id,))


def test_an_upload_under_way_to_the_merged_song_is_not_lost(house: House, two: tuple[Song, Song]) -> None:
    """Its comparison named the song before that was merged."""
    kept, other = two
    upload = sent(house, "carla", b"another encoding")
    event = fingerprinted(house, upload, heard(2))
    merging.merge(house, other.id, kept.id)
    matching.match(house, event, lambda: "spleeter-2stems")
    assert _shown(house, now(house, upload)) == kept.id
