import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from demixer.domain import Stem
from demixer.domain.errors import Cancelled, Refused, SeparationFailed
from demixer.runtime import settings
from demixer.separation.separate import Made
from demixer.separation.worker import Progress, SeparationWorker

FAKE = (sys.executable, str(Path(__file__).with_name("fake_child.py")))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[SeparationWorker]:
    environ = {"DATA_DIR": str(tmp_path / "data"), "MODELS_DIR": str(tmp_path)}
    worker = SeparationWorker(settings.load(environ), command=FAKE, stop_within=1.0)
    yield worker
    worker.close()


class Person:
    """Looks at the progress, and says stop after `patience` looks at a job that has begun."""

    def __init__(self, patience: int | None = None) -> None:
        self.patience = patience
        self.seen: list[Progress] = []

    def look(self, progress: Progress) -> None:
        self.seen.append(progress)

    def says_stop(self) -> bool:
        return self.patience is not None and sum(bool(each.model) for each in self.seen) >= self.patience


def separate(worker: SeparationWorker, out: Path, model: str, person: Person | None = None) -> Made:
    person = person or Person()
    return worker.separate(Path("song.mp3"), out, model, on_progress=person.look, should_stop=person.says_stop)


def child(out: Path) -> psutil.Process:
    """The process that wrote the stem."""
    return psutil.Process(int((out / "vocals.flac").read_text().removeprefix("by ")))


def test_it_gives_what_the_child_made(worker: SeparationWorker, tmp_path: Path) -> None:
    made = separate(worker, tmp_path / "out", "quick")
    assert made.stems == (Stem(name="vocals", peak=1.98),)
    assert (made.model, made.device, made.gain, made.duration) == ("fake", "a drawer", 0.5, 6.0)


def test_one_child_does_all_the_jobs(worker: SeparationWorker, tmp_path: Path) -> None:
    for name in ("one", "two"):
        separate(worker, tmp_path / name, "quick")
    assert child(tmp_path / "one") == child(tmp_path / "two")


def test_progress_goes_on_while_a_chunk_takes_long(worker: SeparationWorker, tmp_path: Path) -> None:
    person = Person(patience=3)
    with pytest.raises(Cancelled):
        separate(worker, tmp_path / "out", "obedient", person)
    begun = [each for each in person.seen if each.model]
    assert (begun[0].model, begun[0].device) == ("obedient", "a drawer")
    assert begun[0].fraction < begun[1].fraction < begun[2].fraction < 1.0


def test_a_child_that_stops_when_asked_lives_on(worker: SeparationWorker, tmp_path: Path) -> None:
    separate(worker, tmp_path / "one", "quick")
    with pytest.raises(Cancelled):
        separate(worker, tmp_path / "out", "obedient", Person(patience=1))
    separate(worker, tmp_path / "two", "quick")
    assert child(tmp_path / "one") == child(tmp_path / "two")


def test_a_child_that_does_not_stop_is_killed_and_leaves_nothing_behind(
    worker: SeparationWorker, tmp_path: Path
) -> None:
    separate(worker, tmp_path / "one", "quick")
    first = child(tmp_path / "one")
    with pytest.raises(Cancelled):
        separate(worker, tmp_path / "out", "deaf", Person(patience=1))
    assert not first.is_running()
    assert not (tmp_path / "out").exists()
    separate(worker, tmp_path / "two", "quick")
    assert child(tmp_path / "two") != first


def test_stems_that_were_ready_before_the_stop_arrived_are_removed(worker: SeparationWorker, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        separate(worker, tmp_path / "out", "late", Person(patience=1))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_child_that_dies_is_said_to_have_died_and_another_takes_over(
    worker: SeparationWorker, tmp_path: Path
) -> None:
    with pytest.raises(SeparationFailed) as caught:
        separate(worker, tmp_path / "out", "mortal")
    assert caught.value.code == "worker-died"
    assert not (tmp_path / "out").exists()
    separate(worker, tmp_path / "two", "quick")


def test_a_child_that_died_between_two_jobs_is_not_noticed(worker: SeparationWorker, tmp_path: Path) -> None:
    separate(worker, tmp_path / "one", "quick")
    first = child(tmp_path / "one")
    first.kill()
    psutil.wait_procs([first], timeout=10)
    separate(worker, tmp_path / "two", "quick")
    assert child(tmp_path / "two") != first


def test_an_error_of_the_child_arrives_as_the_same_error(worker: SeparationWorker, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        separate(worker, tmp_path / "out", "fussy")
    assert (refused.value.code, refused.value.params) == ("damaged-audio", {"file": "x"})
    with pytest.raises(SeparationFailed) as failed:
        separate(worker, tmp_path / "out", "crammed")
    assert (failed.value.code, failed.value.params) == ("out-of-memory", {"device": "a drawer"})


def test_a_callback_that_raises_stops_the_job(worker: SeparationWorker, tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        raise KeyError("the catalogue")

    with pytest.raises(KeyError):
        worker.separate(Path("a.mp3"), tmp_path / "out", "deaf", on_progress=fail, should_stop=lambda: False)
    separate(worker, tmp_path / "two", "quick")


def test_closing_ends_the_child_and_may_be_done_twice(worker: SeparationWorker, tmp_path: Path) -> None:
    separate(worker, tmp_path / "one", "quick")
    process = child(tmp_path / "one")
    worker.close()
    worker.close()
    assert not process.is_running()
