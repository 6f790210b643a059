from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import Failure, Separation, SeparationState, Song, SongState, events
from demixer.domain.errors import Cancelled, Refused
from demixer.separation.models import better_than
from demixer.services import removals, separations, songs, uploads
from demixer.wiring import House
from tests.houses import Clock, data_of, published
from tests.ways import STEMS, bytes_of, heard, keys, matched, now, sent, separated, separation_of, song_of, stem_files


def asked(house: House) -> Separation:
    """A song that waits for its first separation."""
    upload = matched(house, sent(house))
    return separation_of(house, song_of(house, upload.song_id).separation_id)


def begun(house: House, separation: Separation) -> Separation:
    found = separations.begin(house, events.separation_requested(separation), "CPU")
    assert found is not None
    return found[0]


def ready_song(house: House, folder: Path) -> Song:
    return song_of(house, separated(house, folder, asked(house).song_id).song_id)


def test_it_stores_the_files_and_shows_the_stems(house: House, tmp_path: Path) -> None:
    separation = begun(house, asked(house))
    separations.finish(house, separation, stem_files(tmp_path / "stems"), STEMS, 0.9)
    done = separation_of(house, separation.id)
    assert (done.state, done.progress, done.stems, done.gain) == (SeparationState.READY, 1.0, STEMS, 0.9)
    assert bytes_of(house, f"{done.folder}/vocals.flac") == b"vocals"
    song = song_of(house, done.song_id)
    assert (song.has_stems, song.separation_id) == (True, done.id)
    house.flush()
    assert [event.type for event in published(house, "songs")] == ["song.separated"]


def test_finishing_twice_has_the_effect_of_once(house: House, tmp_path: Path) -> None:
    separation = begun(house, asked(house))
    for _ in range(2):
        separations.finish(house, separation, stem_files(tmp_path / "stems"), STEMS, 0.9)
    house.flush()
    assert separation_of(house, separation.id).version == separation.version + 1
    assert len(published(house, "songs")) == 1
    assert separations.begin(house, events.separation_requested(separation), "CPU") is None


def test_killed_between_ready_and_shown_the_next_delivery_shows_it(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    separation = begun(house, asked(house))
    with monkeypatch.context() as patch:
        patch.setattr(separations, "_show", lambda *_: None)
        separations.finish(house, separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert not song_of(house, separation.song_id).has_stems
    assert separations.begin(house, events.separation_requested(separation), "CPU") is None
    assert song_of(house, separation.song_id).has_stems


def test_a_running_one_whose_process_was_killed_begins_again(house: House) -> None:
    separation = asked(house)
    assert begun(house, separation).state is SeparationState.RUNNING
    assert begun(house, separation).state is SeparationState.RUNNING


def test_progress_is_saved_and_told(house: House) -> None:
    separation = begun(house, asked(house))
    separations.progressed(house, separation.id, 1, progress=0.5, seconds_left=12.0, device="CPU")
    saved = separation_of(house, separation.id)
    assert (saved.progress, saved.seconds_left, saved.device) == (0.5, 12.0, "CPU")
    assert [data_of(event)["progress"] for event in published(house, "progress")] == [0.5]


def under_way(house: House) -> Separation:
    separation = begun(house, asked(house))
    separations.progressed(house, separation.id, 1, progress=0.5, seconds_left=12.0, device="CPU")
    return separation


def test_one_whose_process_stopped_waits_again_at_its_old_place(house: House, clock: Clock) -> None:
    separation = under_way(house)
    clock.advance(60)
    other = uploads.view(house, matched(house, sent(house, data=b"another song"), heard(7)))
    separations.put_back(house, separation)
    waiting = separation_of(house, separation.id)
    assert (waiting.state, waiting.attempt, waiting.progress) == (SeparationState.REQUESTED, 1, 0.0)
    assert other.separation is not None
    places = [house.catalogue.separations.queue_position(each) for each in (waiting, other.separation)]
    assert (places, waiting.seconds_left) == ([1, 2], None)
    assert [data_of(event)["progress"] for event in published(house, "progress")] == [0.5, 0.0]
    assert begun(house, separation).state is SeparationState.RUNNING


def test_one_put_back_though_its_process_lives_goes_on_as_if_nothing_had_happened(house: House, tmp_path: Path) -> None:
    separation = under_way(house)
    separations.put_back(house, separation)
    assert separations.wanted(house, separation.id, 1)
    separations.progressed(house, separation.id, 1, progress=0.6, seconds_left=9.0, device="CPU")
    assert separation_of(house, separation.id).state is SeparationState.RUNNING
    separations.put_back(house, separation)
    separations.finish(house, separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert separation_of(house, separation.id).state is SeparationState.READY


def test_one_that_another_process_has_begun_or_that_has_ended_is_not_put_back(house: House, clock: Clock) -> None:
    first = under_way(house)
    clock.advance(1)
    second = begun(house, first)
    separations.put_back(house, first)
    assert separation_of(house, first.id) == second
    separations.cancel(house, first.id)
    separations.put_back(house, second)
    assert separation_of(house, first.id).state is SeparationState.CANCELLED


def test_a_cancelled_one_neither_goes_on_nor_leaves_files(house: House, tmp_path: Path) -> None:
    separation = begun(house, asked(house))
    separations.cancel(house, separation.id)
    assert not separations.wanted(house, separation.id, separation.attempt)
    with pytest.raises(Cancelled):
        separations.progressed(house, separation.id, 1, progress=0.5, seconds_left=None, device="CPU")
    with pytest.raises(Cancelled):
        separations.finish(house, separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert not list(house.files.keys(separation.folder))
    assert separations.begin(house, events.separation_requested(separation), "CPU") is None


def test_a_late_finish_of_a_cancelled_attempt_leaves_the_files_of_the_next_one_alone(
    house: House, tmp_path: Path
) -> None:
    first = begun(house, asked(house))
    separations.cancel(house, first.id)
    second = begun(house, separations.request_again(house, first.id))
    assert second.attempt == 2
    with pytest.raises(Cancelled):
        separations.finish(house, first, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert list(house.files.keys(second.folder))


def test_what_is_ready_cannot_be_cancelled(house: House, tmp_path: Path) -> None:
    song = ready_song(house, tmp_path / "stems")
    assert separations.cancel(house, song.separation_id or "").state is SeparationState.READY


def test_a_failed_one_says_why_and_leaves_no_files(house: House, tmp_path: Path) -> None:
    separation = begun(house, asked(house))
    writer = house.files.writer(f"{separation.folder}/vocals.flac")
    writer.write(b"half of it")
    writer.commit()
    for _ in range(2):
        separations.fail(house, separation, Failure("worker-died"))
    house.flush()
    failed = separation_of(house, separation.id)
    assert (failed.state, failed.failure) == (SeparationState.FAILED, Failure("worker-died"))
    assert not list(house.files.keys(separation.folder))
    assert [data_of(event)["code"] for event in published(house, "songs")] == ["worker-died"]


def test_giving_up_an_old_attempt_does_not_fail_the_new_one(house: House) -> None:
    separation = begun(house, asked(house))
    event = events.separation_requested(separation)
    separations.give_up(house, event, Failure("worker-died"))
    again = separations.request_again(house, separation.id)
    separations.give_up(house, event, Failure("worker-died"))
    assert separation_of(house, separation.id) == again


def test_a_removed_song_is_not_separated_and_does_not_stay_in_the_queue(house: House) -> None:
    separation = asked(house)
    song = song_of(house, separation.song_id)
    house.catalogue.songs.save(replace(song, state=SongState.WITHDRAWN))
    assert separations.begin(house, events.separation_requested(separation), "CPU") is None
    assert not house.catalogue.separations.in_state([SeparationState.REQUESTED])


def test_a_better_model_takes_the_place_of_the_lesser_and_the_old_stems_keep_their_address(
    house: House, tmp_path: Path
) -> None:
    song = ready_song(house, tmp_path / "stems")
    better = separations.separate_again(house, song, "htdemucs", better_than)
    assert separations.separate_again(house, song_of(house, song.id), "htdemucs", better_than).id == better.id
    assert songs.view(house, song.id, None).next == better
    separations.finish(house, begun(house, better), stem_files(tmp_path / "again"), STEMS[:1], 1.0)
    shown = song_of(house, song.id)
    assert (shown.separation_id, shown.next_separation_id, shown.has_stems) == (better.id, None, True)
    assert songs.stem_file(house, song.id, "vocals", "mp3").separation.id == better.id
    assert songs.stem_file(house, song.id, "accompaniment", "mp3").separation.id == song.separation_id
    with pytest.raises(Refused, match="no-better-model"):
        separations.separate_again(house, shown, "htdemucs", better_than)


def test_a_better_model_that_fails_leaves_the_stems_as_they_were(house: House, tmp_path: Path) -> None:
    song = ready_song(house, tmp_path / "stems")
    better = separations.separate_again(house, song, "htdemucs", better_than)
    separations.fail(house, begun(house, better), Failure("model-unavailable"))
    after = song_of(house, song.id)
    assert (after.separation_id, after.next_separation_id) == (song.separation_id, None)
    assert separations.separate_again(house, after, "htdemucs", better_than).attempt == 2


def test_a_request_cut_short_before_the_song_knew_of_it_is_shown_when_asked_again(house: House, tmp_path: Path) -> None:
    song = ready_song(house, tmp_path / "stems")
    better = separations.request(house, song.id, "htdemucs")  # killed before the song was changed
    separations.finish(house, begun(house, better), stem_files(tmp_path / "again"), STEMS, 1.0)
    assert song_of(house, song.id).separation_id == song.separation_id
    separations.separate_again(house, song, "htdemucs", better_than)
    assert song_of(house, song.id).separation_id == better.id


def test_without_the_original_file_there_is_nothing_to_separate_again(house: House, tmp_path: Path) -> None:
    song = ready_song(house, tmp_path / "stems")
    house.files.delete(song.audio_key)
    with pytest.raises(Refused, match="file-gone"):
        separations.separate_again(house, song, "htdemucs", better_than)


def test_a_second_announcement_does_no_harm(house: House, tmp_path: Path) -> None:
    separation = asked(house)
    separations.announce_again(house, separation)
    first, second = published(house, "separations")
    assert first == second
    separated(house, tmp_path / "stems", separation.song_id)
    assert separations.begin(house, second, "CPU") is None


def test_a_cancelled_upload_stops_the_separation_it_alone_waited_for(house: House) -> None:
    upload = matched(house, sent(house), heard(5))
    separation = begun(house, separation_of(house, song_of(house, upload.song_id).separation_id))
    uploads.cancel(house, "ana", upload.id)
    removals.withdraw(house, events.upload_withdrawn(now(house, upload), house.now()))
    assert not separations.wanted(house, separation.id, separation.attempt)
    assert f"uploads/{upload.id}" not in keys(house)
