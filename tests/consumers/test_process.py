import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from consumers import registry
from consumers.framework import process
from consumers.framework.member_lease import MemberLease
from consumers.framework.outcome_handler import BreakerOpen
from consumers.framework.process import Process
from demixer.wiring import Services


class Fake:
    """Runs until it is stopped, or fails at once."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.name, self._error = "fake", error
        self.stopped = threading.Event()

    def run(self) -> None:
        if self._error:
            raise self._error
        assert self.stopped.wait(30)

    def stop(self) -> None:
        self.stopped.set()

    @property
    def stuck(self) -> bool:
        return self.stopped.is_set()


@pytest.mark.parametrize(
    ("error", "code"), [(KeyError("bug"), process.CRASHED), (SystemExit(), process.CRASHED), (BreakerOpen(), 3)]
)
def test_if_one_crashes_all_stop_and_the_exit_code_says_so(error: BaseException, code: int) -> None:
    other = Fake()
    assert Process([Fake(error), other]).run() == code
    assert other.stopped.is_set()


def test_a_stop_ends_all_in_order() -> None:
    fakes = [Fake(), Fake()]
    running = Process(fakes)
    running.stop()
    assert running.run() == process.OK
    assert all(fake.stopped.is_set() for fake in fakes)


def test_every_consumer_there_is_can_be_made_and_stopped(services: Services) -> None:
    with ExitStack() as held:
        running = registry.consumers_of(services, registry.NAMES, held)
        running.stop()
        assert running.run() == process.OK


def test_the_name_of_a_member_is_unique_and_free_again_afterwards(tmp_path: Path) -> None:
    first, second = MemberLease(tmp_path, "match"), MemberLease(tmp_path, "match")
    assert first.name.endswith("-1")
    assert second.name.endswith("-2")
    first.release()
    assert MemberLease(tmp_path, "match").name == first.name
    assert sorted(os.listdir(tmp_path)) == ["match-1.lock", "match-2.lock"]
