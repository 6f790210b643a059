import os
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers import separate
from consumers.framework.consumer import Consumer
from demixer.domain import Failure, SeparationState, Status, Upload, events
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
from demixer.services import removals, separations, uploads
from demixer.wiring import House
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.houses import Clock, data_of, published
from tests.ways import STEMS, matched, now, sent, separation_of, song_of, stem_files

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
def upload(house: House) -> Upload:
    """It waits for its separation."""
    return matched(house, sent(house))


def consumer(house: House, work: Work = quickly) -> tuple[Consumer, FakeWorker]:
    worker = FakeWorker(work)
    return separate.consumer(house, worker), worker


def status(house: House, upload: Upload) -> tuple[Status, Failure | None]:
    seen = uploads.view(house, now(house, upload))
    return seen.status, seen.failure


def left_over(house: House) -> list[str]:
    return [path.name for path in (house.settings.data_dir / "tmp").glob("*")]


def test_the_stems_are_made_stored_and_shown(house: House, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(house)
    drained(house, clock, made)
    assert status(house, upload) == (Status.READY, None)
    song = song_of(house, upload.song_id)
    assert house.files.size(f"songs/{song.id}/{song.separation_id}/vocals.mp3")
    assert [data_of(event)["progress"] for event in published(house, "progress")] == [0.5]
    assert (left_over(house), worker.closed) == ([], True)


def test_its_event_delivered_twice_separates_once(house: House, clock: Clock, upload: Upload) -> None:
    publish(house, *published(house, "separations"))
    made, worker = consumer(house)
    drained(house, clock, made)
    assert len(worker.folders) == 1
    assert [event.type for event in published(house, "songs")] == ["song.separated"]


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
    house: House, clock: Clock, upload: Upload, error: DemixerError, code: str
) -> None:
    drained(house, clock, consumer(house, raising(error))[0])
    ended, failure = status(house, upload)
    assert (ended, failure and failure.code) == (Status.FAILED, code)
    assert (left_over(house), letters(house, "separations")) == ([], [])
    assert [event.type for event in published(house, "songs")] == ["song.failed"]


def test_a_song_whose_file_is_gone_ends_with_that_reason(house: House, clock: Clock, upload: Upload) -> None:
    house.files.delete(upload.audio_key)
    drained(house, clock, consumer(house)[0])
    assert status(house, upload) == (Status.FAILED, Failure("file-gone"))


def test_a_full_disk_fails_at_once_rather_than_doing_the_long_work_again(
    house: House, clock: Clock, upload: Upload
) -> None:
    made, worker = consumer(house, raising(StorageFull()))
    drained(house, clock, made)
    assert len(worker.folders) == 1
    assert status(house, upload) == (Status.FAILED, Failure("storage-full"))
    assert left_over(house) == []


def test_a_worker_that_died_is_tried_again(house: House, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(house, raising(SeparationFailed("worker-died")))
    loop = loop_of(house, made, clock)
    steps(loop, 5)
    assert status(house, upload)[0] is Status.QUEUED
    worker.work = quickly
    clock.advance(1)
    steps(loop, 5)
    assert status(house, upload) == (Status.READY, None)


def test_a_worker_that_always_dies_ends_with_a_reason_in_the_end(house: House, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(house, raising(SeparationFailed("worker-died")))
    loop = loop_of(house, made, clock)
    for _ in range(20):
        steps(loop, 5)
        clock.advance(60)
    assert len(worker.folders) == separate.RETRIES + 1
    assert status(house, upload) == (Status.FAILED, Failure("worker-died"))
    assert len(letters(house, "separations")) == 1
    assert left_over(house) == []


def test_a_cancel_is_seen_by_the_work(house: House, clock: Clock, upload: Upload) -> None:
    def work(on_progress: object, should_stop: Callable[[], bool]) -> None:
        assert not should_stop()
        uploads.cancel(house, "ana", upload.id)
        removals.withdraw(house, events.upload_withdrawn(now(house, upload), clock()))
        clock.advance(separate.LOOK_SECONDS)
        assert should_stop()
        raise Cancelled

    drained(house, clock, consumer(house, work)[0])
    assert status(house, upload)[0] is Status.CANCELLED
    assert (left_over(house), letters(house, "separations")) == ([], [])
    assert house.events.lag("separate")["separations"] == 0


def test_a_report_of_progress_stops_what_was_cancelled(house: House, clock: Clock, upload: Upload) -> None:
    def work(on_progress: Callable[[Progress], None], should_stop: object) -> None:
        uploads.cancel(house, "ana", upload.id)
        removals.withdraw(house, events.upload_withdrawn(now(house, upload), clock()))
        on_progress(Progress(0.1, None, "m", "CPU"))
        pytest.fail("it went on")

    drained(house, clock, consumer(house, work)[0])
    assert status(house, upload)[0] is Status.CANCELLED


def test_a_stop_leaves_the_song_for_the_next_process(house: House, clock: Clock, upload: Upload) -> None:
    made, worker = consumer(house)
    loop = loop_of(house, made, clock)

    def work(on_progress: object, should_stop: Callable[[], bool]) -> None:
        loop.stop()
        assert should_stop()
        raise Cancelled

    worker.work = work
    loop.run()
    assert (status(house, upload)[0], left_over(house)) == (Status.QUEUED, [])
    drained(house, clock, consumer(house)[0])
    assert status(house, upload)[0] is Status.READY


def test_a_busy_catalogue_does_not_stop_the_work(
    house: House, clock: Clock, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise Transient

    def work(on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(separations, "progressed", busy)
            patch.setattr(separations, "wanted", busy)
            on_progress(Progress(0.1, None, "m", "CPU"))
            assert not should_stop()

    drained(house, clock, consumer(house, work)[0])
    assert status(house, upload)[0] is Status.READY


@pytest.mark.parametrize("step", ["begin", "keep_file", "_show", "finish"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_the_next_process_completes_it_and_never_separates_it_twice_to_the_end(
    house: House, clock: Clock, upload: Upload, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    class Killed(BaseException):
        pass

    original = getattr(separations, step)

    def killed(*args: object) -> None:
        if after:
            original(*args)
        raise Killed

    made, _ = consumer(house)
    with monkeypatch.context() as patch:
        patch.setattr(separations, step, killed)
        loop = loop_of(house, made, clock)
        with pytest.raises(Killed):
            steps(loop)
        loop._subscription.close()  # kill -9: nothing else happens
    drained(house, clock, consumer(house)[0])
    song = song_of(house, upload.song_id)
    assert (status(house, upload)[0], song.has_stems) == (Status.READY, True)
    assert separation_of(house, song.separation_id).state is SeparationState.READY
    assert [event.type for event in published(house, "songs")] == ["song.separated"]


def test_what_a_killed_process_left_goes_at_the_start_and_what_a_living_one_uses_stays(house: House) -> None:
    temporary = house.settings.data_dir / "tmp"
    gone, living, strange = (
        temporary / name for name in ("separate-999999999-ab", f"separate-{os.getpid()}-ab", "separate-x-ab")
    )
    for folder in (gone, living, strange):
        stem_files(folder)
    separate.consumer(house, FakeWorker())
    assert [path.name for path in temporary.iterdir()] == [living.name]
