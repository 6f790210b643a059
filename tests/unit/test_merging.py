"""Two songs that are the same recording are merged: every link goes on working, and a merge can be undone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import MatchMethod, Relation, RelationType, Song, Status, Tags, Upload
from demixer.domain.errors import Forbidden, NotFound, Refused
from demixer.recognition.fingerprint import Fingerprint
from demixer.wiring import Services
from schemas.events import SongMerged
from tests.steps import an_analysis, fingerprinted, match, matched, now, sent, separated, song_of
from tests.wired import published

MakeSong = Callable[[str, int], Song]


@pytest.fixture
def make_song(services: Services, tmp_path: Path) -> MakeSong:
    """A song with stems; another number is another recording."""

    def make_song(person_id: str, number: int) -> Song:
        upload = matched(
            services, sent(services, person_id, f"bytes {number}".encode()), an_analysis(number, title=f"No {number}")
        )
        separated(services, tmp_path / str(number), upload.song_id or "")
        return song_of(services, upload.song_id)

    return make_song


@pytest.fixture
def two(make_song: MakeSong) -> tuple[Song, Song]:
    return make_song("ana", 1), make_song("berta", 2)


def upload_of(services: Services, song: Song) -> Upload:
    (upload,) = services.catalogue.uploads.of_song(song.id)
    return upload


def stored(services: Services, song: Song) -> Song:
    return song_of(services, song.id)


def test_one_song_is_shown_for_both(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.merging.merge(other.id, kept.id)
    assert services.songs.get(other.id).id == services.songs.view(other.id, None).song.id == kept.id
    assert [song.id for song in services.catalogue.songs.list_visible(order="id", limit=9)] == [kept.id]
    services.flush()
    assert published(services, "songs")[-1].data == SongMerged(song_id=other.id, into=kept.id)


def test_every_stem_keeps_its_address_and_its_bytes(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    before = {one.id: services.songs.stem_file(one.id, "vocals", "flac").key for one in two}
    services.merging.merge(other.id, kept.id)
    assert {one.id: services.songs.stem_file(one.id, "vocals", "flac").key for one in two} == before
    with pytest.raises(NotFound):
        services.songs.stem_file(other.id, "bass", "flac")


def test_a_cover_keeps_its_address_and_serves_the_other_where_that_has_none(
    services: Services, two: tuple[Song, Song]
) -> None:
    kept, other = two
    services.songs.set_cover("berta", other.id, b"jpeg")
    key = services.songs.cover_file(other.id)
    with pytest.raises(NotFound):
        services.songs.cover_file(kept.id)
    services.merging.merge(other.id, kept.id)
    assert services.songs.cover_file(other.id) == services.songs.cover_file(kept.id) == key


def test_the_owner_of_either_may_edit_and_nobody_else(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.merging.merge(other.id, kept.id)
    services.songs.edit("berta", other.id, Tags(title="Both"))
    assert stored(services, kept).tags.title == "Both"
    assert stored(services, other).tags.title == "No 2"
    assert services.songs.view(kept.id, "berta").is_owner
    with pytest.raises(Forbidden):
        services.songs.edit("carla", other.id, Tags(title="Mine"))


def test_libraries_show_the_canonical_song_and_remove_both(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.songs.add_to_library("carla", other.id)
    services.merging.merge(other.id, kept.id)
    assert [song.id for song in services.songs.library("carla", limit=9)] == [kept.id]
    assert services.songs.view(kept.id, "carla").in_library
    services.songs.remove_from_library("carla", kept.id)
    assert not services.songs.view(other.id, "carla").in_library
    assert not services.songs.library("carla", limit=9)


def test_uploads_show_the_canonical_song(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.merging.merge(other.id, kept.id)
    view = services.uploads.view(upload_of(services, other))
    assert (view.status, view.song and view.song.id) == (Status.READY, kept.id)


@pytest.mark.parametrize("data", [b"bytes 2", b"another encoding"], ids=["the same bytes", "the same recording"])
def test_an_upload_that_matches_the_merged_song_shows_the_canonical_one(
    services: Services, two: tuple[Song, Song], data: bytes
) -> None:
    kept, other = two
    services.merging.merge(other.id, kept.id)
    upload = matched(services, sent(services, "carla", data), an_analysis(2))
    assert upload.matched_by is (MatchMethod.FILE if data == b"bytes 2" else MatchMethod.RECORDING)
    assert _shown(services, upload) == kept.id
    services.merging.unmerge(other.id)
    assert _shown(services, upload) == other.id
    again = matched(services, sent(services, "dora", data), an_analysis(2))
    assert again.song_id == other.id


def _shown(services: Services, upload: Upload) -> str:
    song = services.uploads.view(upload).song
    assert song
    return song.id


def test_a_fingerprint_of_the_merged_song_finds_the_canonical_one(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.merging.merge(other.id, kept.id)
    found = services.lookup.find([Fingerprint.from_bytes(other.fingerprint)])
    assert found
    assert found.id == kept.id


def test_related_songs_of_both_are_shown_once_and_neither_is_related_to_itself(
    services: Services, two: tuple[Song, Song], make_song: MakeSong
) -> None:
    kept, other = two
    live = make_song("carla", 3)
    for one in two:
        relations = (
            Relation(song_id=live.id, type=RelationType.VERSION),
            Relation(song_id=other.id, type=RelationType.MIX),
        )
        services.catalogue.songs.save(replace(stored(services, one), relations=relations))
    back = tuple(Relation(song_id=one.id, type=RelationType.VERSION) for one in two)
    services.catalogue.songs.save(replace(stored(services, live), relations=back))
    services.merging.merge(other.id, kept.id)
    assert [one.id for _, one in services.relations.of(stored(services, kept))] == [live.id]
    assert [one.id for _, one in services.relations.of(stored(services, live))] == [kept.id]


def test_after_unmerging_both_are_as_they_were(services: Services, two: tuple[Song, Song]) -> None:
    before = {one.id: (services.songs.get(one.id), services.songs.stem_file(one.id, "vocals", "mp3")) for one in two}
    services.merging.merge(two[1].id, two[0].id)
    services.merging.unmerge(two[1].id)
    for one in two:
        song, file = before[one.id]
        after = services.songs.get(one.id)
        assert replace(after, version=0, updated_at=song.updated_at) == replace(song, version=0)
        assert services.songs.stem_file(one.id, "vocals", "mp3") == file
    services.flush()
    assert published(services, "songs")[-1].type == "song.unmerged"


def test_a_chain_of_merges_is_followed_and_undone_link_by_link(
    services: Services, two: tuple[Song, Song], make_song: MakeSong
) -> None:
    first, second, third = *two, make_song("carla", 3)
    services.merging.merge(third.id, second.id)
    services.merging.merge(second.id, first.id)
    assert services.songs.get(third.id).id == first.id
    assert set(stored(services, first).merged_ids) == {second.id, third.id}
    services.merging.unmerge(second.id)
    assert services.songs.get(third.id).id == second.id
    assert (stored(services, first).merged_ids, stored(services, second).merged_ids) == ((), (third.id,))
    services.merging.merge(second.id, first.id)
    services.merging.unmerge(third.id)
    assert services.songs.get(third.id).id == third.id
    assert stored(services, first).merged_ids == (second.id,)


def test_songs_that_cannot_be_merged_or_unmerged_are_refused(
    services: Services, two: tuple[Song, Song], make_song: MakeSong
) -> None:
    kept, other = two
    with pytest.raises(Refused, match="not-merged"):
        services.merging.unmerge(kept.id)
    with pytest.raises(Refused, match="same-song"):
        services.merging.merge(kept.id, kept.id)
    services.merging.merge(other.id, kept.id)
    with pytest.raises(Refused, match="same-song"):
        services.merging.merge(kept.id, other.id)
    waiting = song_of(services, matched(services, sent(services, "dora", b"new"), an_analysis(9)).song_id)
    with pytest.raises(Refused, match="not-ready"):
        services.merging.merge(waiting.id, kept.id)


def test_a_merge_that_was_killed_half_way_is_finished_by_the_next(services: Services, two: tuple[Song, Song]) -> None:
    kept, other = two
    services.catalogue.songs.save(replace(kept, merged_ids=(other.id,)))
    assert services.songs.get(other.id).id == other.id
    services.merging.merge(other.id, kept.id)
    assert (services.songs.get(other.id).id, stored(services, kept).merged_ids) == (kept.id, (other.id,))


def test_an_upload_under_way_to_the_merged_song_is_not_lost(services: Services, two: tuple[Song, Song]) -> None:
    """Its comparison named the song before that was merged."""
    kept, other = two
    upload = sent(services, "carla", b"another encoding")
    event = fingerprinted(services, upload, an_analysis(2))
    services.merging.merge(other.id, kept.id)
    match(services, event)
    assert _shown(services, now(services, upload)) == kept.id
