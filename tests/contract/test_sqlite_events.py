import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from demixer.adapters.sqlite.event_log import SqliteEvents
from demixer.domain.errors import StorageFull
from demixer.ports import Subscription
from tests.contract.events import (
    EventLogContract,
    MembershipContract,
    TrimContract,
    World,
    numbers,
    received,
    records,
    shared,
)
from tests.contract.sqlite_disk import fill_disk
from tests.wired import Clock


def four(topic: str) -> int:
    return 4 if topic == "many" else 1


def eight(topic: str) -> int:
    return 8 if topic == "many" else 1


class Waits:
    """Stands in for sleeping: remembers how long, and does what it is told meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._meanwhile = meanwhile

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._meanwhile()


class TestSqliteEvents(EventLogContract, MembershipContract, TrimContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        clock = Clock()
        open_log = functools.partial(SqliteEvents, tmp_path / "events.db", partitions=four, clock=clock)
        return World(open_log=open_log, one="one", many="many", now=clock, let_pass=clock.advance)


def test_a_poll_waits_no_longer_than_it_is_told(tmp_path: Path) -> None:
    waits = Waits()
    log = SqliteEvents(tmp_path / "e.db", partitions=four, wait=waits)
    assert log.subscribe(["one"], group="g", member="m").poll(0.1) is None
    assert sum(waits.seconds) == pytest.approx(0.1)
    assert max(waits.seconds) <= 0.05
    log.close()


def test_a_waiting_poll_sees_another_log_publish_at_its_next_look(tmp_path: Path) -> None:
    other = SqliteEvents(tmp_path / "e.db", partitions=four)
    waits = Waits(lambda: other.publish(records("one", 1)))
    log = SqliteEvents(tmp_path / "e.db", partitions=four, wait=waits)
    assert log.browse(["one"], from_start=False).poll(10) is not None
    assert len(waits.seconds) == 1
    log.close()
    other.close()


def test_partitions_can_be_raised_and_lowered_without_losing_a_record(tmp_path: Path) -> None:
    for partitions, n in ((four, 0), (eight, 1), (four, 2)):
        log = SqliteEvents(tmp_path / "e.db", partitions=partitions)
        log.publish(records("many", 20))
        member = log.subscribe(["many"], group="g", member="m")
        for message in received(member, 20):
            member.commit(message)
        assert len(received(log.browse(["many"], from_start=True), 20 * (n + 1))) == 20 * (n + 1)
        assert log.lag("g") == {"many": 0}
        log.close()


def test_three_members_share_eight_partitions_evenly_and_a_fourth_is_made_room_for(tmp_path: Path) -> None:
    log = SqliteEvents(tmp_path / "e.db", partitions=eight)
    members = [log.subscribe(["many"], group="g", member=f"m{n}") for n in range(3)]
    assert sorted(holdings(log, members)) == [2, 3, 3]
    members.append(log.subscribe(["many"], group="g", member="m3"))
    assert holdings(log, members) == [2, 2, 2, 2]
    members.pop(0).close()
    assert sorted(holdings(log, members)) == [2, 3, 3]
    log.close()


def test_a_new_member_does_not_take_the_only_partition(tmp_path: Path) -> None:
    log = SqliteEvents(tmp_path / "e.db", partitions=four)
    log.publish(records("one", 2))
    holder = log.subscribe(["one"], group="g", member="z")
    (message,) = received(holder)
    holder.commit(message)
    newcomer = log.subscribe(["one"], group="g", member="a")
    for _ in range(5):
        assert newcomer.poll(0) is None
        holder.poll(0)
    assert holder.owns(message)
    log.close()


def holdings(log: SqliteEvents, members: Sequence[Subscription]) -> list[int]:
    """How many partitions each member holds, once all have polled for a while; everything given is committed."""
    log.publish(records("many", 64))
    places: list[set[int]] = [set() for _ in members]
    for round_ in range(3):
        for _ in range(40):
            for member, mine in zip(members, places, strict=True):
                message = member.poll(0)
                if message:
                    member.commit(message)
                    if round_:
                        mine.add(message.partition)
        log.publish(records("many", 64))
    return [len(mine) for mine in places]


def test_a_full_disk_raises_storage_full_and_keeps_no_record_of_the_batch(tmp_path: Path) -> None:
    log = SqliteEvents(tmp_path / "e.db", partitions=four)
    log.publish(records("one", 1))
    fill_disk(log._database)
    with pytest.raises(StorageFull):
        log.publish(records("one", 20_000))
    browser = log.browse(["one"], from_start=True)
    assert numbers(received(browser)) == [0]
    assert browser.poll(0) is None
    log.close()


def test_a_killed_members_clock_in_the_future_does_not_hold_its_partitions(tmp_path: Path) -> None:
    clock = Clock()
    log = SqliteEvents(tmp_path / "e.db", partitions=four, clock=clock)
    log.publish(records("one", 1))
    clock.advance(3600)
    received(log.subscribe(["one"], group="g", member="killed"))
    clock.advance(-3600)
    assert numbers(received(log.subscribe(["one"], group="g", member="next"))) == [0]
    log.close()


def test_it_hands_out_in_the_order_of_publishing_over_all_partitions(tmp_path: Path) -> None:
    clock = Clock()
    log = SqliteEvents(tmp_path / "e.db", partitions=four, clock=clock)
    for record in records("many", 12):
        log.publish([record])
        clock.advance(1)
    member = log.subscribe(["many"], group="g", member="m")
    queue = shared(12, member)[0]
    assert numbers(queue) == list(range(12))
    assert len({message.partition for message in queue}) > 1
