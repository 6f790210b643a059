import os
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers import separate
from consumers.framework.consumer import Consumer
from demixer.domain import Failure, SeparationState, Status, Upload
from demixer.domain.errors import (
    Cancelled,
    ConfigurationError,
    DemixerError,
    ModelUnavailable,
    Refused,
    SeparationFailed,
    StorageFull,
    Transient,
)
from demixer.separation.separate import Made
from demixer.separation.worker import Progress
from demixer.services import separations
from demixer.wiring import Services, build_services
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.steps import STEMS, matched, now, sent, separation_of, song_of, stem_files, withdraw
from tests.wired import Clock, data_of, published

Work = Callable[[Callable[[Progress], None], Callable[[], bool]], object]


def quickly(on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
    on_progress(Progress(0.5, 3.0, "spleeter-2stems", "CPU"))


class FakeWorker:
    """Does what the test says, then writes stems; notes the folders it was given."""

    def __init__(self, work: Work = quickly) -> None:
        self.work = work
        self.folders: list[Path] = []
        self.closed = False

    def separate(
        self,
        source: Path,
        folder: Path,
        model: str,
        *,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> Made:
        self.folders.append(folder)
        assert source.read_bytes()
        self.work(on_progress, should_stop)
        stem_files(folder)
        return Made(model=model, parameters=model, device="CPU", duration=9.0, gain=0.9, stems=STEMS)

    def close(self) -> None:
        self.closed = True


def raising(*errors: DemixerError) -> Work:
    left = list(errors)

    def work(*_: object) -> None:
        if left:
            raise left.pop(0) if len(left) > 1 else left[0]

    return work


@pytest.fixture
def upload(services: Services) -> Upload:
    """It waits for its separation."""
    return matched(services, sent(services))


def consumer(services: Services, work: Work = quickly) -> tuple[Consumer, FakeWorker]:
    worker = FakeWorker(work)
    return consumers_of.separate(services, worker), worker


def status(services: Services, upload: Upload) -> tuple[Status, Failure | None]:
    seen = services.uploads.view(now(services, upload))
    return seen.status, seen.failure


def left_over(services: Services) -> list[str]:
    return [path.name for path in (services.settings.data_dir / "tmp").glob("*")]


def test_the_stems_are_made_stored_and_shown(services: Services, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(services)
    drained(services, clock, made)
    assert status(services, upload) == (Status.READY, None)
    song = song_of(services, upload.song_id)
    assert services.files.size(f"songs/{song.id}/{song.separation_id}/vocals.mp3")
    assert [data_of(event)["progress"] for event in published(services, "progress")] == [0.5]
    assert (left_over(services), worker.closed) == ([], True)


def test_its_event_delivered_twice_separates_once(services: Services, clock: Clock, upload: Upload) -> None:
    publish(services, *published(services, "separations"))
    made, worker = consumer(services)
    drained(services, clock, made)
    assert len(worker.folders) == 1
    assert [event.type for event in published(services, "songs")] == ["song.separated"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SeparationFailed("out-of-memory", device="CPU"), "out-of-memory"),
        (ModelUnavailable(model="htdemucs", reason="gone"), "model-unavailable"),
        (ConfigurationError(variable="DEVICE", hint="there is none"), "configuration"),
        (Refused("damaged-audio"), "damaged-audio"),
    ],
)
def test_what_cannot_be_separated_ends_with_a_reason(
    services: Services, clock: Clock, upload: Upload, error: DemixerError, code: str
) -> None:
    drained(services, clock, consumer(services, raising(error))[0])
    ended, failure = status(services, upload)
    assert (ended, failure and failure.code) == (Status.FAILED, code)
    assert (left_over(services), letters(services, "separations")) == ([], [])
    assert [event.type for event in published(services, "songs")] == ["song.failed"]


def test_a_song_whose_file_is_gone_ends_with_that_reason(services: Services, clock: Clock, upload: Upload) -> None:
    services.files.delete(upload.audio_key)
    drained(services, clock, consumer(services)[0])
    assert status(services, upload) == (Status.FAILED, Failure("file-gone"))


def test_a_full_disk_fails_at_once_rather_than_doing_the_long_work_again(
    services: Services, clock: Clock, upload: Upload
) -> None:
    made, worker = consumer(services, raising(StorageFull()))
    drained(services, clock, made)
    assert len(worker.folders) == 1
    assert status(services, upload) == (Status.FAILED, Failure("storage-full"))
    assert left_over(services) == []


def test_a_worker_that_died_is_tried_again(services: Services, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(services, raising(SeparationFailed("worker-died")))
    loop = loop_of(services, made, clock)
    steps(loop, 5)
    assert status(services, upload)[0] is Status.QUEUED
    worker.work = quickly
    clock.advance(1)
    steps(loop, 5)
    assert status(services, upload) == (Status.READY, None)


def test_a_worker_that_always_dies_ends_with_a_reason_in_the_end(
    services: Services, clock: Clock, upload: Upload
) -> None:
    made, worker = consumer(services, raising(SeparationFailed("worker-died")))
    loop = loop_of(services, made, clock)
    for _ in range(20):
        steps(loop, 5)
        clock.advance(60)
    assert len(worker.folders) == separate.RETRIES + 1
    assert status(services, upload) == (Status.FAILED, Failure("worker-died"))
    assert len(letters(services, "separations")) == 1
    assert left_over(services) == []


def test_a_cancel_is_seen_by_the_work(services: Services, clock: Clock, upload: Upload) -> None:
    def work(on_progress: object, should_stop: Callable[[], bool]) -> None:
        assert not should_stop()
        services.uploads.cancel("ana", upload.id)
        withdraw(services, upload.id)
        clock.advance(separate.LOOK_SECONDS)
        assert should_stop()
        raise Cancelled

    drained(services, clock, consumer(services, work)[0])
    assert status(services, upload)[0] is Status.CANCELLED
    assert (left_over(services), letters(services, "separations")) == ([], [])
    assert services.events.lag("separate")["separations"] == 0


def test_a_report_of_progress_stops_what_was_cancelled(services: Services, clock: Clock, upload: Upload) -> None:
    def work(on_progress: Callable[[Progress], None], should_stop: object) -> None:
        services.uploads.cancel("ana", upload.id)
        withdraw(services, upload.id)
        on_progress(Progress(0.1, None, "m", "CPU"))
        pytest.fail("it went on")

    drained(services, clock, consumer(services, work)[0])
    assert status(services, upload)[0] is Status.CANCELLED


def test_a_stop_leaves_the_song_for_the_next_process(services: Services, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(services)
    loop = loop_of(services, made, clock)

    def work(on_progress: object, should_stop: Callable[[], bool]) -> None:
        loop.stop()
        assert should_stop()
        raise Cancelled

    worker.work = work
    loop.run()
    assert (status(services, upload)[0], left_over(services)) == (Status.QUEUED, [])
    drained(services, clock, consumer(services)[0])
    assert status(services, upload)[0] is Status.READY


def test_a_busy_catalogue_does_not_stop_the_work(
    services: Services, clock: Clock, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise Transient

    def work(on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(services.separations, "report_progress", busy)
            patch.setattr(services.separations, "is_wanted", busy)
            on_progress(Progress(0.1, None, "m", "CPU"))
            assert not should_stop()

    drained(services, clock, consumer(services, work)[0])
    assert status(services, upload)[0] is Status.READY


@pytest.mark.parametrize("step", ["begin", "store_file", "_show", "finish"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_the_next_process_completes_it_and_never_separates_it_twice_to_the_end(
    services: Services, clock: Clock, upload: Upload, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    class Killed(BaseException):
        pass

    where = separations if step == "store_file" else services.separations
    original = getattr(where, step)

    def killed(*args: object) -> None:
        if after:
            original(*args)
        raise Killed

    made, _ = consumer(services)
    with monkeypatch.context() as patch:
        patch.setattr(where, step, killed)
        loop = loop_of(services, made, clock)
        with pytest.raises(Killed):
            steps(loop)
        loop._subscription.close()  # kill -9: nothing else happens
    next_process = build_services(services.adapters)
    drained(next_process, clock, consumer(next_process)[0])
    services.relay.publish_abandoned(after=0)
    song = song_of(services, upload.song_id)
    assert (status(services, upload)[0], song.has_stems) == (Status.READY, True)
    assert separation_of(services, song.separation_id).state is SeparationState.READY
    assert [event.type for event in published(services, "songs")] == ["song.separated"]


def test_what_a_killed_process_left_goes_at_the_start_and_what_a_living_one_uses_stays(services: Services) -> None:
    temporary = services.settings.data_dir / "tmp"
    gone, living, strange = (
        temporary / name for name in ("separate-999999999-ab", f"separate-{os.getpid()}-ab", "separate-x-ab")
    )
    for folder in (gone, living, strange):
        stem_files(folder)
    consumers_of.separate(services, FakeWorker())
    assert [path.name for path in temporary.iterdir()] == [living.name]
