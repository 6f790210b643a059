from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from consumers import fingerprint, maintenance, match, separate
from consumers.framework.periodic import Chore, Timer
from demixer.domain import Failure, SeparationState, UploadState
from demixer.domain.errors import Transient
from demixer.ports import Files
from demixer.services import analyses, separations, songs, uploads
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.consumers.driving import drained, loop_of
from tests.steps import (
    MODEL,
    fingerprinted,
    heard,
    keys,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
    without_log,
)
from tests.wired import Clock, data_of, published

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0


class Aged:
    """A file store in which everything was written when the clock was started."""

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files, self._start = files, clock()

    def keys(self, prefix: str) -> "Iterator[tuple[str, object]]":
        return ((key, self._start) for key, _ in self._files.keys(prefix))

    def __getattr__(self, name: str) -> object:
        return getattr(self._files, name)


@pytest.fixture
def aged(services: Services, clock: Clock) -> Services:
    return replace(services, files=cast(Files, Aged(services.files, clock)))


def write(services: Services, key: str) -> None:
    store_bytes(services.files, key, b"x")


def test_it_publishes_what_a_killed_process_left(services: Services) -> None:
    upload = sent(without_log(services))
    assert published(services) == []
    maintenance.flush(services)
    assert [event.subject for event in published(services)] == [upload.id]


@pytest.mark.embedded  # elsewhere topics have a retention
def test_it_forgets_old_progress_and_nothing_else(services: Services, clock: Clock) -> None:
    separation = separation_of(services, song_of(services, matched(services, sent(services)).song_id).separation_id)
    services.separations.begin(*separation_event(published(services, "separations")[0]), "CPU")
    services.separations.report_progress(separation.id, 1, progress=0.1, seconds_left=None, device="CPU")
    before = len(published(services))
    clock.advance(2 * HOUR)
    maintenance.trim(services)
    assert published(services, "progress") == []
    assert len(published(services)) == before - 1


def test_it_removes_audio_that_nothing_refers_to_but_not_at_once(aged: Services, clock: Clock) -> None:
    write(aged, "uploads/nobodys")
    maintenance.remove_left_over(aged)
    assert keys(aged) == {"uploads/nobodys"}
    clock.advance(DAY + 1)
    maintenance.remove_left_over(aged)
    assert keys(aged) == set()


def test_it_keeps_the_audio_of_open_uploads_of_songs_and_of_failed_ones_that_can_be_tried_again(
    aged: Services, clock: Clock, tmp_path: Path
) -> None:
    waiting = sent(aged, data=b"1")
    failed = sent(aged, data=b"2")
    analyses.reject(aged, failed, Failure("storage-full"), keep_file=True)
    brought = matched(aged, sent(aged, data=b"3"))
    separated(aged, tmp_path / "stems", brought.song_id or "")
    uploads.delete(aged, "ana", brought.id)
    clock.advance(30 * DAY)
    before = keys(aged)
    maintenance.remove_left_over(aged)
    assert keys(aged) == before
    assert {waiting.audio_key, failed.audio_key, brought.audio_key} <= before


def test_it_removes_the_audio_of_an_upload_that_joined_a_song_it_did_not_bring(
    aged: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    matched(aged, sent(aged, data=b"1"), heard(1))
    with monkeypatch.context() as patch:
        patch.setattr(aged.files._files, "delete", lambda key: None)  # type: ignore[attr-defined]  # killed before
        second = matched(aged, sent(aged, data=b"2"), heard(1))
    assert f"uploads/{second.id}" in keys(aged)
    clock.advance(DAY + 1)
    maintenance.remove_left_over(aged)
    assert f"uploads/{second.id}" not in keys(aged)


def test_it_keeps_the_covers_that_songs_show_and_removes_the_others(aged: Services, clock: Clock) -> None:
    first = sent(aged, data=b"1")
    second = sent(aged, data=b"2")
    for upload in (first, second):
        write(aged, f"covers/{upload.id}.jpg")
        matched(aged, upload, heard(1, cover=f"covers/{upload.id}.jpg"))
    edited = matched(aged, sent(aged, data=b"3"), heard(3)).song_id or ""
    cover = songs.set_cover(aged, "ana", edited, b"jpeg").cover_key
    write(aged, f"covers/{edited}-1.jpg")
    clock.advance(DAY + 1)
    maintenance.remove_left_over(aged)
    assert {key for key in keys(aged) if key.startswith("covers/")} == {f"covers/{first.id}.jpg", cover}


def test_it_removes_exports_after_a_week(aged: Services, clock: Clock) -> None:
    write(aged, "exports/separation/vocals.wav")
    clock.advance(6 * DAY)
    maintenance.remove_left_over(aged)
    assert keys(aged) == {"exports/separation/vocals.wav"}
    clock.advance(DAY + 1)
    maintenance.remove_left_over(aged)
    assert keys(aged) == set()


def test_plays_reach_the_index(services: Services, tmp_path: Path) -> None:
    song_id = matched(services, sent(services)).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    services.songs.count_play(song_id)
    maintenance.refresh_plays(services)
    assert [song.plays for song in services.search.search("song", limit=1).songs] == [1]


def test_a_separation_nobody_reports_on_any_more_waits_in_the_queue_again(services: Services, clock: Clock) -> None:
    separation = separation_of(services, song_of(services, matched(services, sent(services)).song_id).separation_id)
    services.separations.begin(*separation_event(published(services, "separations")[0]), "CPU")
    dead = maintenance.Dead(services, clock.monotonic)
    for _ in range(3):
        clock.advance(11)
        services.separations.report_progress(separation.id, 1, progress=0.1, seconds_left=None, device="CPU")
        dead.put_back()
    assert separation_of(services, separation.id).state is SeparationState.RUNNING
    clock.advance(12)
    dead.put_back()
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED
    assert announced(services, "separations") == 2, "its event may be used up"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_separation_on_a_machine_whose_clock_is_an_hour_off_is_left_alone_while_it_lives(
    services: Services, clock: Clock, hours: int
) -> None:
    """Reported on with the other machine's time, swept with ours."""
    elsewhere = Clock(clock() + timedelta(hours=hours))
    there = replace(services, now=elsewhere)
    separation = separation_of(services, song_of(services, matched(there, sent(there)).song_id).separation_id)
    separations.begin(there, published(services, "separations")[0], "CPU")
    dead, lost = maintenance.Dead(services, clock.monotonic), maintenance.Lost(services, clock.monotonic)
    consumers_ran(services, clock)
    for _ in range(30):
        for each in (clock, elsewhere):
            each.advance(5)
        separations.progressed(there, separation.id, 1, progress=0.1, seconds_left=None, device="CPU")
        dead.put_back()
        lost.announce()
    assert separation_of(services, separation.id).state is SeparationState.RUNNING
    assert announced(services, "separations") == 1
    clock.advance(12)
    dead.put_back()
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED


def test_one_that_is_reported_on_while_the_sweeper_looks_is_left_alone(services: Services, clock: Clock) -> None:
    asked = separation_of(services, song_of(services, matched(services, sent(services)).song_id).separation_id)
    services.separations.begin(*separation_event(published(services, "separations")[0]), "CPU")
    seen = separation_of(services, asked.id)
    clock.advance(1)
    services.separations.report_progress(asked.id, 1, progress=0.1, seconds_left=None, device="CPU")
    services.separations.reclaim_expired(seen)
    assert separation_of(services, asked.id).state is SeparationState.RUNNING


# --- lost events ----------------------------------------------------------------------------------------------------


def consumers_ran(services: Services, clock: Clock) -> None:
    """All are at the end of their topics, and did nothing."""
    made = (fingerprint.consumer(services), match.consumer(services, lambda: MODEL), separate.consumer(services))
    drained(services, clock, *(replace(consumer, handle=lambda event, context: None) for consumer in made))


def announced(services: Services, topic: str) -> int:
    return len(published(services, topic))


def sweep_after(services: Services, clock: Clock, seconds: float) -> None:
    lost = maintenance.Lost(services, clock.monotonic)
    lost.announce()
    clock.advance(seconds)
    lost.announce()


def test_an_upload_whose_event_was_lost_is_announced_again(services: Services, clock: Clock) -> None:
    upload = sent(services)
    consumers_ran(services, clock)
    lost = maintenance.Lost(services, clock.monotonic)
    lost.announce()
    assert announced(services, "uploads") == 1
    clock.advance(2 * MINUTE)
    lost.announce()
    assert [event.subject for event in published(services, "uploads")] == [upload.id, upload.id]


def test_a_fingerprint_that_was_lost_is_made_again(services: Services, clock: Clock) -> None:
    upload = sent(services)
    fingerprinted(services, upload, heard())
    consumers_ran(services, clock)
    sweep_after(services, clock, 2 * MINUTE)
    assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.RECEIVED, 2)


def test_a_separation_whose_event_was_lost_is_announced_again(services: Services, clock: Clock) -> None:
    song = song_of(services, matched(services, sent(services)).song_id)
    services.separations.begin(*separation_event(published(services, "separations")[0]), "CPU")
    consumers_ran(services, clock)
    sweep_after(services, clock, 2 * MINUTE)
    assert [data_of(event)["separation_id"] for event in published(services, "separations")] == [song.separation_id] * 2


def test_what_waits_its_turn_is_not_announced_again_for_hours(services: Services, clock: Clock) -> None:
    sent(services)
    loop_of(services, fingerprint.consumer(services), clock)._leave()
    lost = maintenance.Lost(services, clock.monotonic)
    for _ in range(10):
        clock.advance(30 * MINUTE)
        lost.announce()
    assert announced(services, "uploads") == 1
    for _ in range(4):
        clock.advance(30 * MINUTE)
        lost.announce()
    assert announced(services, "uploads") == 2


def test_without_the_consumer_nothing_counts_as_lost(services: Services, clock: Clock) -> None:
    sent(services)
    sweep_after(services, clock, 10 * MINUTE)
    assert announced(services, "uploads") == 1


def test_what_has_ended_is_left_alone(services: Services, clock: Clock, tmp_path: Path) -> None:
    separated(services, tmp_path / "stems", matched(services, sent(services)).song_id or "")
    services.upload_analyses.reject(sent(services, data=b"2"), Failure("not-audio"), keep_file=False)
    services.flush()
    consumers_ran(services, clock)
    before = announced(services, "uploads"), announced(services, "separations")
    sweep_after(services, clock, DAY)
    assert (announced(services, "uploads"), announced(services, "separations")) == before
    assert not services.catalogue.separations.in_state([SeparationState.REQUESTED, SeparationState.RUNNING])


# --- the timer ------------------------------------------------------------------------------------------------------


def test_each_chore_is_done_when_it_is_due(clock: Clock) -> None:
    done: list[str] = []
    chores = [Chore("often", 1, lambda: done.append("often")), Chore("seldom", 10, lambda: done.append("seldom"))]
    timer = Timer("test", chores, clock.monotonic)
    for _ in range(11):
        timer._run_once()
        timer._run_once()
        clock.advance(1)
    assert (done.count("often"), done.count("seldom")) == (11, 2)


def test_a_busy_engine_only_delays_a_chore_and_any_other_error_ends_the_timer(clock: Clock) -> None:
    errors: list[Exception] = [Transient(), KeyError("bug")]

    def work() -> None:
        raise errors.pop(0)

    timer = Timer("test", [Chore("work", 1, work)], clock.monotonic)
    timer._run_once()
    clock.advance(1)
    with pytest.raises(KeyError):
        timer._run_once()


def test_every_chore_of_the_sweeper_runs_in_an_empty_house(services: Services, clock: Clock) -> None:
    timer = maintenance.timer(services, clock.monotonic)
    timer._run_once()
    timer.stop()
    timer.run()
    assert 0 < maintenance.SILENT < maintenance.MUTE
    drained(services, clock)
