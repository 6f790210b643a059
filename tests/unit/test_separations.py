from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import Failure, Separation, SeparationState, Song, SongState
from demixer.domain.errors import Cancelled, Refused
from demixer.separation.models import better_than
from demixer.services.separations import SeparationQueue
from demixer.wiring import Services
from tests.steps import (
    STEMS,
    an_analysis,
    bytes_of,
    keys,
    matched,
    sent,
    separated,
    separation_event,
    separation_of,
    song_of,
    stem_files,
    withdraw,
)
from tests.wired import Clock, data_of, published


def requested(services: Services) -> Separation:
    """A song that waits for its first separation."""
    upload = matched(services, sent(services))
    return separation_of(services, song_of(services, upload.song_id).separation_id)


def begun(services: Services, separation: Separation) -> Separation:
    found = services.separations.begin(separation.id, separation.attempt, "CPU")
    assert found is not None
    return found[0]


def ready_song(services: Services, folder: Path) -> Song:
    return song_of(services, separated(services, folder, requested(services).song_id).song_id)


def test_it_stores_the_files_and_shows_the_stems(services: Services, tmp_path: Path) -> None:
    separation = begun(services, requested(services))
    services.separations.finish(separation, stem_files(tmp_path / "stems"), STEMS, 0.9)
    done = separation_of(services, separation.id)
    assert (done.state, done.progress, done.stems, done.gain) == (SeparationState.READY, 1.0, STEMS, 0.9)
    assert bytes_of(services, f"{done.folder}/vocals.flac") == b"vocals"
    song = song_of(services, done.song_id)
    assert (song.has_stems, song.separation_id) == (True, done.id)
    services.flush()
    assert [event.type for event in published(services, "songs")] == ["song.separated"]


def test_finishing_twice_has_the_effect_of_once(services: Services, tmp_path: Path) -> None:
    separation = begun(services, requested(services))
    for _ in range(2):
        services.separations.finish(separation, stem_files(tmp_path / "stems"), STEMS, 0.9)
    services.flush()
    assert separation_of(services, separation.id).version == separation.version + 1
    assert len(published(services, "songs")) == 1
    assert services.separations.begin(separation.id, separation.attempt, "CPU") is None


def test_killed_between_ready_and_shown_the_next_delivery_shows_it(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    separation = begun(services, requested(services))
    with monkeypatch.context() as patch:
        patch.setattr(SeparationQueue, "_show", lambda *_: None)
        services.separations.finish(separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert not song_of(services, separation.song_id).has_stems
    assert services.separations.begin(separation.id, separation.attempt, "CPU") is None
    assert song_of(services, separation.song_id).has_stems


def test_a_running_one_whose_process_was_killed_begins_again(services: Services) -> None:
    separation = requested(services)
    assert begun(services, separation).state is SeparationState.RUNNING
    assert begun(services, separation).state is SeparationState.RUNNING


def test_progress_is_saved_and_published(services: Services) -> None:
    separation = begun(services, requested(services))
    services.separations.report_progress(separation.id, 1, progress=0.5, seconds_left=12.0, device="CPU")
    saved = separation_of(services, separation.id)
    assert (saved.progress, saved.seconds_left, saved.device) == (0.5, 12.0, "CPU")
    assert [data_of(event)["progress"] for event in published(services, "progress")] == [0.5]


def running(services: Services) -> Separation:
    separation = begun(services, requested(services))
    services.separations.report_progress(separation.id, 1, progress=0.5, seconds_left=12.0, device="CPU")
    return separation


def test_one_whose_process_stopped_waits_again_at_its_old_place(services: Services, clock: Clock) -> None:
    separation = running(services)
    clock.advance(60)
    other = services.uploads.view(matched(services, sent(services, data=b"another song"), an_analysis(7)))
    services.separations.release(separation)
    waiting = separation_of(services, separation.id)
    assert (waiting.state, waiting.attempt, waiting.progress) == (SeparationState.REQUESTED, 1, 0.0)
    assert other.separation is not None
    places = [services.catalogue.separations.queue_position(each) for each in (waiting, other.separation)]
    assert (places, waiting.seconds_left) == ([1, 2], None)
    assert [data_of(event)["progress"] for event in published(services, "progress")] == [0.5, 0.0]
    assert begun(services, separation).state is SeparationState.RUNNING


def test_one_released_though_its_process_lives_goes_on_as_if_nothing_had_happened(
    services: Services, tmp_path: Path
) -> None:
    separation = running(services)
    services.separations.release(separation)
    assert services.separations.is_wanted(separation.id, 1)
    services.separations.report_progress(separation.id, 1, progress=0.6, seconds_left=9.0, device="CPU")
    assert separation_of(services, separation.id).state is SeparationState.RUNNING
    services.separations.release(separation)
    services.separations.finish(separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert separation_of(services, separation.id).state is SeparationState.READY


def test_one_that_another_process_has_begun_or_that_has_ended_is_not_released(services: Services, clock: Clock) -> None:
    first = running(services)
    clock.advance(1)
    second = begun(services, first)
    services.separations.release(first)
    assert separation_of(services, first.id) == second
    services.separations.cancel(first.id)
    services.separations.release(second)
    assert separation_of(services, first.id).state is SeparationState.CANCELLED


def test_a_cancelled_one_neither_goes_on_nor_leaves_files(services: Services, tmp_path: Path) -> None:
    separation = begun(services, requested(services))
    services.separations.cancel(separation.id)
    assert not services.separations.is_wanted(separation.id, separation.attempt)
    with pytest.raises(Cancelled):
        services.separations.report_progress(separation.id, 1, progress=0.5, seconds_left=None, device="CPU")
    with pytest.raises(Cancelled):
        services.separations.finish(separation, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert not list(services.files.keys(separation.folder))
    assert services.separations.begin(separation.id, separation.attempt, "CPU") is None


def test_a_late_finish_of_a_cancelled_attempt_leaves_the_files_of_the_next_one_alone(
    services: Services, tmp_path: Path
) -> None:
    first = begun(services, requested(services))
    services.separations.cancel(first.id)
    second = begun(services, services.separations.request_again(first.id))
    assert second.attempt == 2
    with pytest.raises(Cancelled):
        services.separations.finish(first, stem_files(tmp_path / "stems"), STEMS, 1.0)
    assert list(services.files.keys(second.folder))


def test_what_is_ready_cannot_be_cancelled(services: Services, tmp_path: Path) -> None:
    song = ready_song(services, tmp_path / "stems")
    assert services.separations.cancel(song.separation_id or "").state is SeparationState.READY


def test_a_failed_one_says_why_and_leaves_no_files(services: Services, tmp_path: Path) -> None:
    separation = begun(services, requested(services))
    writer = services.files.writer(f"{separation.folder}/vocals.flac")
    writer.write(b"half of it")
    writer.commit()
    for _ in range(2):
        services.separations.fail(separation, Failure("worker-died"))
    services.flush()
    failed = separation_of(services, separation.id)
    assert (failed.state, failed.failure) == (SeparationState.FAILED, Failure("worker-died"))
    assert not list(services.files.keys(separation.folder))
    assert [data_of(event)["code"] for event in published(services, "songs")] == ["worker-died"]


def test_giving_up_an_old_attempt_does_not_fail_the_new_one(services: Services) -> None:
    separation = begun(services, requested(services))
    services.separations.give_up(separation.id, separation.attempt, Failure("worker-died"))
    again = services.separations.request_again(separation.id)
    services.separations.give_up(separation.id, separation.attempt, Failure("worker-died"))
    assert separation_of(services, separation.id) == again


def test_a_removed_song_is_not_separated_and_does_not_stay_in_the_queue(services: Services) -> None:
    separation = requested(services)
    song = song_of(services, separation.song_id)
    services.catalogue.songs.save(replace(song, state=SongState.WITHDRAWN))
    assert services.separations.begin(separation.id, separation.attempt, "CPU") is None
    assert not services.catalogue.separations.in_state([SeparationState.REQUESTED])


def test_a_better_model_takes_the_place_of_the_worse_one_and_the_old_stems_keep_their_address(
    services: Services, tmp_path: Path
) -> None:
    song = ready_song(services, tmp_path / "stems")
    better = services.separations.separate_again(song, "htdemucs", better_than)
    assert services.separations.separate_again(song_of(services, song.id), "htdemucs", better_than).id == better.id
    assert services.songs.view(song.id, None).next == better
    services.separations.finish(begun(services, better), stem_files(tmp_path / "again"), STEMS[:1], 1.0)
    shown = song_of(services, song.id)
    assert (shown.separation_id, shown.next_separation_id, shown.has_stems) == (better.id, None, True)
    assert services.songs.stem_file(song.id, "vocals", "mp3").separation.id == better.id
    assert services.songs.stem_file(song.id, "accompaniment", "mp3").separation.id == song.separation_id
    with pytest.raises(Refused, match="no-better-model"):
        services.separations.separate_again(shown, "htdemucs", better_than)


def test_a_better_model_that_fails_leaves_the_stems_as_they_were(services: Services, tmp_path: Path) -> None:
    song = ready_song(services, tmp_path / "stems")
    better = services.separations.separate_again(song, "htdemucs", better_than)
    services.separations.fail(begun(services, better), Failure("model-unavailable"))
    after = song_of(services, song.id)
    assert (after.separation_id, after.next_separation_id) == (song.separation_id, None)
    assert services.separations.separate_again(after, "htdemucs", better_than).attempt == 2


def test_a_request_cut_short_before_the_song_knew_of_it_is_shown_when_asked_again(
    services: Services, tmp_path: Path
) -> None:
    song = ready_song(services, tmp_path / "stems")
    better = services.separations.request(song.id, "htdemucs")  # killed before the song was changed
    services.separations.finish(begun(services, better), stem_files(tmp_path / "again"), STEMS, 1.0)
    assert song_of(services, song.id).separation_id == song.separation_id
    services.separations.separate_again(song, "htdemucs", better_than)
    assert song_of(services, song.id).separation_id == better.id


def test_without_the_original_file_there_is_nothing_to_separate_again(services: Services, tmp_path: Path) -> None:
    song = ready_song(services, tmp_path / "stems")
    services.files.delete(song.audio_key)
    with pytest.raises(Refused, match="file-gone"):
        services.separations.separate_again(song, "htdemucs", better_than)


def test_an_event_published_twice_does_no_harm(services: Services, tmp_path: Path) -> None:
    separation = requested(services)
    services.separations.republish(separation)
    first, second = published(services, "separations")
    assert first == second
    separated(services, tmp_path / "stems", separation.song_id)
    assert services.separations.begin(*separation_event(second), "CPU") is None


def test_a_cancelled_upload_stops_the_separation_it_alone_waited_for(services: Services) -> None:
    upload = matched(services, sent(services), an_analysis(5))
    separation = begun(services, separation_of(services, song_of(services, upload.song_id).separation_id))
    services.uploads.cancel("ana", upload.id)
    withdraw(services, upload.id)
    assert not services.separations.is_wanted(separation.id, separation.attempt)
    assert f"uploads/{upload.id}" not in keys(services)
