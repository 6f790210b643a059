"""When messages are committed, and what the delivery counter knows of a message that others are delivered before."""

from pathlib import Path

import pytest

from consumers.framework.commits import BATCH_SECONDS, ENGINE_RETRY_SECONDS, CommitBatch
from consumers.framework.delivery_counter import DeliveryCounter
from demixer.domain.errors import Transient
from demixer.ports import Message
from tests.wired import START


class Log:
    """A subscription of which only `commit` is used."""

    def __init__(self) -> None:
        self.committed: list[tuple[int, int]] = []  # partition, offset
        self.flushed_after: list[int] = []  # how many commits had been made at each flush
        self.busy = False

    def commit(self, *messages: Message) -> None:
        if self.busy:
            raise Transient
        self.committed += [(message.partition, message.offset) for message in messages]

    def flush(self) -> None:
        self.flushed_after.append(len(self.committed))


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def message(partition: int, offset: int) -> Message:
    return Message(topic="t", key="k", value=b"", partition=partition, offset=offset, time=START)


def commits(*, batched: bool = True) -> tuple[CommitBatch, Log, Seconds]:
    log, clock = Log(), Seconds()
    return CommitBatch(log, log.flush, clock, batched=batched), log, clock  # type: ignore[arg-type]


def test_long_work_is_committed_at_once() -> None:
    batch, log, _ = commits(batched=False)
    batch.add(message(0, 1))
    assert log.committed == [(0, 1)]
    log.busy = True
    with pytest.raises(Transient):
        batch.add(message(0, 2))


def test_quick_work_is_committed_in_batches() -> None:
    batch, log, clock = commits()
    for offset in range(3):
        batch.add(message(0, offset))
        batch.add(message(1, offset))
    batch.commit_due()
    assert (log.committed, batch.holds(message(0, 9)), batch.holds(message(2, 0))) == ([], True, False)
    clock.now += BATCH_SECONDS
    batch.commit_due()
    assert log.committed == [(0, 2), (1, 2)]
    assert not batch


def test_events_are_published_before_the_commit_once_for_the_whole_batch() -> None:
    batch, log, clock = commits()
    for offset in range(3):
        batch.add(message(0, offset))
        batch.add(message(1, offset))
    batch.commit_due()
    assert log.flushed_after == []
    clock.now += BATCH_SECONDS
    batch.commit_due()
    batch.commit_now(message(0, 3))
    assert log.flushed_after == [0, 2]


def test_a_batch_can_be_committed_before_it_is_due() -> None:
    batch, log, _ = commits()
    batch.add(message(0, 1))
    batch.commit_due(early=True)
    assert log.committed == [(0, 1)]


def test_a_busy_engine_is_asked_again_later_and_loses_nothing() -> None:
    batch, log, clock = commits()
    batch.add(message(0, 1))
    log.busy = True
    batch.commit_due(early=True)
    log.busy = False
    batch.commit_due(early=True)
    assert (log.committed, bool(batch)) == ([], True)
    clock.now += ENGINE_RETRY_SECONDS
    batch.commit_due(early=True)
    assert log.committed == [(0, 1)]


def test_events_are_published_although_the_commit_has_to_wait() -> None:
    batch, log, clock = commits()
    batch.add(message(0, 1))
    log.busy = True
    batch.commit_due(early=True)
    batch.add(message(0, 2))
    clock.now += BATCH_SECONDS
    batch.commit_due()
    assert log.flushed_after == [0, 0]
    assert log.committed == []


def test_the_end_of_work_for_a_lost_partition_keeps_what_its_new_owner_has_counted(tmp_path: Path) -> None:
    before, now = DeliveryCounter(tmp_path), DeliveryCounter(tmp_path)
    before.begin(message(0, 5))
    now.begin(message(0, 9))
    before.end(message(0, 5))
    now.close()
    assert DeliveryCounter(tmp_path).begin(message(0, 9)).kills == 1
    before.close()


def test_a_bad_end_is_counted_though_earlier_messages_are_delivered_again(tmp_path: Path) -> None:
    killed = DeliveryCounter(tmp_path)
    killed.begin(message(0, 7))
    killed.close()
    again = DeliveryCounter(tmp_path)
    for offset in (5, 6):
        assert again.begin(message(0, offset)).kills == 0
        again.end(message(0, offset))
    assert again.begin(message(0, 7)).kills == 1
    again.end(message(0, 7))
    assert again.begin(message(0, 8)).kills == 0
    assert again.begin(message(0, 7)).kills == 0
    again.close()
