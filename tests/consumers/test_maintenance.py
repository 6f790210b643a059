from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from consumers import maintenance, registry
from consumers.framework.periodic import PeriodicTask, Timer
from demixer.domain import Failure, Separation, SeparationState, Upload, UploadState
from demixer.domain.errors import Transient
from demixer.ports import Files
from demixer.services.file_analyser import samples_key
from demixer.services.storage import store_bytes
from demixer.services.unit_of_work import ABANDONED_SECONDS
from demixer.wiring import Services, build_services
from tests.consumers import consumers_of
from tests.consumers.driving import drained, loop_of
from tests.consumers.test_separate import FakeWorker
from tests.steps import (
    an_analysis,
    fingerprinted,
    keys,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
    without_log,
)
from tests.wired import Clock, a_worker, data_of, published

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
    return build_services(replace(services.adapters, files=cast(Files, Aged(services.files, clock))))


def write(services: Services, key: str) -> None:
    store_bytes(services.files, key, b"x")


def remove_left_over(services: Services) -> None:
    consumers_of.left_over_files(services).remove()


def running(services: Services) -> Separation:
    """The separation of a new song, begun by a worker."""
    song = song_of(services, matched(services, sent(services)).song_id)
    separation = separation_of(services, song.separation_id)
    assert services.separations.begin(separation.id, separation.attempt, "CPU")
    return separation_of(services, separation.id)


def report(services: Services, separation: Separation) -> None:
    services.separations.report_progress(separation.id, 1, progress=0.1, seconds_left=None, device="CPU")


def test_it_publishes_what_a_killed_process_left(services: Services, clock: Clock) -> None:
    """Not at once: the process that saved it may be about to publish it."""
    upload = sent(without_log(services))
    relay = consumers_of.relay(services, clock.monotonic)
    maintenance.publish_abandoned(relay)
    clock.advance(ABANDONED_SECONDS - 1)
    maintenance.publish_abandoned(relay)
    assert published(services) == []
    clock.advance(1)
    maintenance.publish_abandoned(relay)
    assert [event.subject for event in published(services)] == [upload.id]


@pytest.mark.embedded  # elsewhere topics have a retention
def test_it_forgets_old_progress_and_nothing_else(services: Services, clock: Clock) -> None:
    report(services, running(services))
    before = len(published(services))
    clock.advance(2 * HOUR)
    maintenance.trim(services.events, clock)
    assert published(services, "progress") == []
    assert len(published(services)) == before - 1


def test_plays_reach_the_index(services: Services, tmp_path: Path) -> None:
    song_id = matched(services, sent(services)).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    services.songs.count_play(song_id)
    maintenance.refresh_plays(services.catalogue.songs, services.search)
    assert [song.plays for song in services.search.search("song", limit=1).songs] == [1]


# --- left-over files --------------------------------------------------------------------------------------------------


def test_it_removes_audio_that_nothing_refers_to_but_not_at_once(aged: Services, clock: Clock) -> None:
    write(aged, "uploads/nobodys")
    remove_left_over(aged)
    assert keys(aged) == {"uploads/nobodys"}
    clock.advance(DAY + 1)
    remove_left_over(aged)
    assert keys(aged) == set()


def test_it_keeps_the_audio_of_open_uploads_of_songs_and_of_failed_ones_that_can_be_tried_again(
    aged: Services, clock: Clock, tmp_path: Path
) -> None:
    waiting = sent(aged, data=b"1")
    failed = sent(aged, data=b"2")
    aged.upload_analyses.reject(failed, Failure("storage-full"), keep_file=True)
    brought = matched(aged, sent(aged, data=b"3"))
    separated(aged, tmp_path / "stems", brought.song_id or "")
    aged.uploads.delete("ana", brought.id)
    clock.advance(30 * DAY)
    before = keys(aged)
    remove_left_over(aged)
    assert keys(aged) == before
    assert {waiting.audio_key, failed.audio_key, brought.audio_key} <= before


def test_it_removes_the_audio_of_an_upload_that_joined_a_song_it_did_not_bring(
    aged: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    matched(aged, sent(aged, data=b"1"), an_analysis(1))
    with monkeypatch.context() as patch:
        patch.setattr(aged.files._files, "delete", lambda key: None)  # type: ignore[attr-defined]  # killed before
        second = matched(aged, sent(aged, data=b"2"), an_analysis(1))
    assert f"uploads/{second.id}" in keys(aged)
    clock.advance(DAY + 1)
    remove_left_over(aged)
    assert f"uploads/{second.id}" not in keys(aged)


def by_its_file(upload: Upload) -> str:
    return f"covers/{upload.sha256}.jpg"


def by_its_id(upload: Upload) -> str:
    """As version 0.1 named them."""
    return f"covers/{upload.id}.jpg"


@pytest.mark.parametrize("key_of", [by_its_file, by_its_id])
def test_it_keeps_the_covers_that_songs_show_and_removes_the_others(
    aged: Services, clock: Clock, key_of: Callable[[Upload], str]
) -> None:
    first = sent(aged, data=b"1")
    second = sent(aged, data=b"2")
    for upload in (first, second):
        write(aged, key_of(upload))
        matched(aged, upload, an_analysis(1, cover=key_of(upload)))
    edited = matched(aged, sent(aged, data=b"3"), an_analysis(3)).song_id or ""
    cover = aged.songs.set_cover("ana", edited, b"jpeg").cover_key
    write(aged, f"covers/{edited}-1.jpg")
    clock.advance(DAY + 1)
    remove_left_over(aged)
    assert {key for key in keys(aged) if key.startswith("covers/")} == {key_of(first), cover}


@pytest.mark.parametrize("key_of", [by_its_file, by_its_id])
def test_it_keeps_the_cover_of_an_upload_that_waits(
    aged: Services, clock: Clock, key_of: Callable[[Upload], str]
) -> None:
    """No song shows it yet, however long there is no worker."""
    aged.capabilities.report(a_worker(clock(), "", stems=()))
    upload = sent(aged)
    write(aged, key_of(upload))
    fingerprinted(aged, upload, an_analysis(cover=key_of(upload)))
    drained(aged, clock, consumers_of.match(aged))
    assert now(aged, upload).waiting_for == "worker"
    clock.advance(30 * DAY)
    remove_left_over(aged)
    assert key_of(upload) in keys(aged)
    again = matched(aged, _resumed(aged, upload), an_analysis(cover=key_of(upload)))
    assert song_of(aged, again.song_id).cover_key == key_of(upload)


def _resumed(services: Services, upload: Upload) -> Upload:
    services.matching.resume_waiting("worker")
    services.flush()
    return now(services, upload)


@pytest.mark.parametrize("key", ["exports/separation/vocals.wav", samples_key("0a" * 32)])
def test_it_removes_exports_and_samples_after_a_week(aged: Services, clock: Clock, key: str) -> None:
    write(aged, key)
    clock.advance(6 * DAY)
    remove_left_over(aged)
    assert keys(aged) == {key}
    clock.advance(DAY + 1)
    remove_left_over(aged)
    assert keys(aged) == set()


# --- stale leases -----------------------------------------------------------------------------------------------------


def test_a_separation_nobody_reports_on_any_more_waits_in_the_queue_again(services: Services, clock: Clock) -> None:
    separation = running(services)
    leases = consumers_of.lease_reaper(services, clock.monotonic)
    for _ in range(3):
        clock.advance(11)
        report(services, separation)
        leases.reclaim()
    assert separation_of(services, separation.id).state is SeparationState.RUNNING
    clock.advance(12)
    leases.reclaim()
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED
    assert events_in(services, "separations") == 2, "its event may be used up"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_separation_on_a_machine_whose_clock_is_an_hour_off_is_left_alone_while_it_lives(
    services: Services, clock: Clock, hours: int
) -> None:
    """Reported on with the other machine's time, looked at with ours."""
    elsewhere = Clock(clock() + timedelta(hours=hours))
    there = build_services(replace(services.adapters, clock=elsewhere))
    separation = running(there)
    leases = consumers_of.lease_reaper(services, clock.monotonic)
    lost = consumers_of.lost_events(services, clock.monotonic)
    consumers_ran(services, clock)
    for _ in range(30):
        for each in (clock, elsewhere):
            each.advance(5)
        report(there, separation)
        leases.reclaim()
        lost.republish()
    assert separation_of(services, separation.id).state is SeparationState.RUNNING
    assert events_in(services, "separations") == 1
    clock.advance(12)
    leases.reclaim()
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED


def test_one_that_is_reported_on_meanwhile_is_left_alone(services: Services, clock: Clock) -> None:
    seen = running(services)
    clock.advance(1)
    report(services, seen)
    services.separations.reclaim_expired(seen)
    assert separation_of(services, seen.id).state is SeparationState.RUNNING


# --- lost events ------------------------------------------------------------------------------------------------------


def consumers_ran(services: Services, clock: Clock) -> None:
    """All are at the end of their topics, and did nothing."""
    made = consumers_of.everything(services, FakeWorker())[:3]
    drained(services, clock, *(replace(consumer, handle=lambda event, context: None) for consumer in made))


def events_in(services: Services, topic: str) -> int:
    return len(published(services, topic))


def republish_after(services: Services, clock: Clock, seconds: float) -> None:
    lost = consumers_of.lost_events(services, clock.monotonic)
    lost.republish()
    clock.advance(seconds)
    lost.republish()


def test_an_upload_whose_event_was_lost_is_published_again(services: Services, clock: Clock) -> None:
    upload = sent(services)
    consumers_ran(services, clock)
    lost = consumers_of.lost_events(services, clock.monotonic)
    lost.republish()
    assert events_in(services, "uploads") == 1
    clock.advance(2 * MINUTE)
    lost.republish()
    assert [event.subject for event in published(services, "uploads")] == [upload.id, upload.id]


def test_a_fingerprinted_upload_whose_event_was_lost_is_matched_without_being_analysed_again(
    services: Services, clock: Clock
) -> None:
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    consumers_ran(services, clock)
    republish_after(services, clock, 2 * MINUTE)
    assert [event.subject for event in published(services, "matching")] == [upload.id, upload.id]
    drained(services, clock, consumers_of.match(services))
    assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.JOINED, 1)


def test_a_separation_whose_event_was_lost_is_published_again(services: Services, clock: Clock) -> None:
    separation = running(services)
    consumers_ran(services, clock)
    republish_after(services, clock, 2 * MINUTE)
    assert [data_of(event)["separation_id"] for event in published(services, "separations")] == [separation.id] * 2


def test_what_waits_its_turn_is_not_published_again_for_hours(services: Services, clock: Clock) -> None:
    sent(services)
    loop_of(services, consumers_of.fingerprint(services), clock)._leave()
    lost = consumers_of.lost_events(services, clock.monotonic)
    for _ in range(10):
        clock.advance(30 * MINUTE)
        lost.republish()
    assert events_in(services, "uploads") == 1
    for _ in range(4):
        clock.advance(30 * MINUTE)
        lost.republish()
    assert events_in(services, "uploads") == 2


def test_an_upload_that_waits_for_a_worker_is_published_again_once_there_is_one(
    services: Services, clock: Clock
) -> None:
    """The worker reported between the look of `match` and its note that the upload waits."""
    services.capabilities.report(a_worker(clock(), "", stems=()))
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    drained(services, clock, consumers_of.match(services))
    assert now(services, upload).waiting_for == "worker"
    republish_after(services, clock, DAY)
    assert events_in(services, "matching") == 1
    services.capabilities.report(a_worker(clock()))
    republish_after(services, clock, 2 * MINUTE)
    assert events_in(services, "matching") == 2
    drained(services, clock, consumers_of.match(services))
    assert now(services, upload).state is UploadState.JOINED


def test_without_the_consumer_nothing_counts_as_lost(services: Services, clock: Clock) -> None:
    sent(services)
    republish_after(services, clock, 10 * MINUTE)
    assert events_in(services, "uploads") == 1


def test_what_has_ended_is_left_alone(services: Services, clock: Clock, tmp_path: Path) -> None:
    separated(services, tmp_path / "stems", matched(services, sent(services)).song_id or "")
    services.upload_analyses.reject(sent(services, data=b"2"), Failure("not-audio"), keep_file=False)
    services.flush()
    consumers_ran(services, clock)
    before = events_in(services, "uploads"), events_in(services, "separations")
    republish_after(services, clock, DAY)
    assert (events_in(services, "uploads"), events_in(services, "separations")) == before
    assert not services.catalogue.separations.in_state([SeparationState.REQUESTED, SeparationState.RUNNING])


# --- the timer --------------------------------------------------------------------------------------------------------


def test_each_task_is_done_when_it_is_due(clock: Clock) -> None:
    done: list[str] = []
    tasks = [
        PeriodicTask("often", 1, lambda: done.append("often")),
        PeriodicTask("seldom", 10, lambda: done.append("seldom")),
    ]
    timer = Timer("test", tasks, clock.monotonic)
    for _ in range(11):
        timer._run_once()
        timer._run_once()
        clock.advance(1)
    assert (done.count("often"), done.count("seldom")) == (11, 2)


def test_a_busy_engine_only_delays_a_task_and_any_other_error_ends_the_timer(clock: Clock) -> None:
    errors: list[Exception] = [Transient(), KeyError("bug")]

    def work() -> None:
        raise errors.pop(0)

    timer = Timer("test", [PeriodicTask("work", 1, work)], clock.monotonic)
    timer._run_once()
    clock.advance(1)
    with pytest.raises(KeyError):
        timer._run_once()


def test_every_task_runs_in_an_empty_installation(services: Services, clock: Clock) -> None:
    timer = consumers_of.maintenance(services, clock.monotonic)
    timer._run_once()
    timer.stop()
    timer.run()
    assert 0 < maintenance.LOST_SECONDS < maintenance.STALE_SECONDS
    drained(services, clock)


@pytest.mark.parametrize("name", ["maintenance", "sweep"])
def test_it_is_started_by_its_name_and_by_that_of_version_0_1(services: Services, name: str) -> None:
    with ExitStack() as held:
        assert registry.build(name, services, held).name == "maintenance"
