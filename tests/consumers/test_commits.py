"""When what is done is committed, and what is remembered of a message that others come before once more."""

from pathlib import Path

import pytest

from consumers.framework.commits import ENGINE_SECONDS, LATE_SECONDS, Commits
from consumers.framework.delivery_counter import Deliveries
from demixer.domain.errors import Transient
from demixer.ports import Message
from tests.wired import START


class Log:
    """A subscription of which only `commit` is used."""

    def __init__(self) -> None:
        self.committed: list[tuple[int, int]] = []  # partition, offset
        self.published_before: list[int] = []  # how many commits had been made when the effects were told
        self.busy = False

    def commit(self, *messages: Message) -> None:
        if self.busy:
            raise Transient
        self.committed += [(message.partition, message.offset) for message in messages]

    def publish(self) -> None:
        self.published_before.append(len(self.committed))


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def message(partition: int, offset: int) -> Message:
    return Message(topic="t", key="k", value=b"", partition=partition, offset=offset, time=START)


def commits(*, together: bool = True) -> tuple[Commits, Log, Seconds]:
    log, clock = Log(), Seconds()
    return Commits(log, log.publish, clock, together=together), log, clock  # type: ignore[arg-type]


def test_long_work_is_committed_at_once() -> None:
    made, log, _ = commits(together=False)
    made.done(message(0, 1))
    assert log.committed == [(0, 1)]
    log.busy = True
    with pytest.raises(Transient):
        made.done(message(0, 2))


def test_what_is_quick_is_committed_together_a_moment_late() -> None:
    made, log, clock = commits()
    for offset in range(3):
        made.done(message(0, offset))
        made.done(message(1, offset))
    made.make()
    assert (log.committed, made.holds(message(0, 9)), made.holds(message(2, 0))) == ([], True, False)
    clock.now += LATE_SECONDS
    made.make()
    assert log.committed == [(0, 2), (1, 2)]
    assert not made


def test_what_was_done_is_told_before_it_is_committed_once_for_all_that_wait() -> None:
    made, log, clock = commits()
    for offset in range(3):
        made.done(message(0, offset))
        made.done(message(1, offset))
    made.make()
    assert log.published_before == []
    clock.now += LATE_SECONDS
    made.make()
    made.now(message(0, 3))
    assert log.published_before == [0, 2]


def test_nothing_waits_while_there_is_nothing_to_do() -> None:
    made, log, _ = commits()
    made.done(message(0, 1))
    made.make(early=True)
    assert log.committed == [(0, 1)]


def test_a_busy_engine_is_asked_again_later_and_loses_nothing() -> None:
    made, log, clock = commits()
    made.done(message(0, 1))
    log.busy = True
    made.make(early=True)
    log.busy = False
    made.make(early=True)
    assert (log.committed, bool(made)) == ([], True)
    clock.now += ENGINE_SECONDS
    made.make(early=True)
    assert log.committed == [(0, 1)]


def test_what_was_done_is_told_although_commits_have_to_wait() -> None:
    made, log, clock = commits()
    made.done(message(0, 1))
    log.busy = True
    made.make(early=True)
    made.done(message(0, 2))
    clock.now += LATE_SECONDS
    made.make()
    assert log.published_before == [0, 0]
    assert log.committed == []


def test_who_ends_work_of_a_partition_that_went_elsewhere_leaves_what_its_new_owner_noted(tmp_path: Path) -> None:
    before, now = Deliveries(tmp_path), Deliveries(tmp_path)
    before.began(message(0, 5))
    now.began(message(0, 9))
    before.ended(message(0, 5))
    now.close()
    assert Deliveries(tmp_path).began(message(0, 9)).deaths == 1
    before.close()


def test_what_ended_badly_is_remembered_though_others_come_before_it_again(tmp_path: Path) -> None:
    killed = Deliveries(tmp_path)
    killed.began(message(0, 7))
    killed.close()
    again = Deliveries(tmp_path)
    for offset in (5, 6):
        assert again.began(message(0, offset)).deaths == 0
        again.ended(message(0, offset))
    assert again.began(message(0, 7)).deaths == 1
    again.ended(message(0, 7))
    assert again.began(message(0, 8)).deaths == 0
    assert again.began(message(0, 7)).deaths == 0
    again.close()
