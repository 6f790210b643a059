"""What every event log must do, whatever the engine. A subclass gives the fixture `world`."""

import multiprocessing
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from demixer.ports import EventLog, Message, Record, Subscription

PATIENCE = 20.0  # seconds until a test that waits for a message gives up


@dataclass(frozen=True, kw_only=True)
class World:
    """One engine, empty. `open_log` opens the same log again, also in another process (it can be pickled)."""

    open_log: Callable[[], EventLog]
    one: str  # a topic with one partition
    many: str  # a topic with four
    now: Callable[[], datetime]
    let_pass: Callable[[float], object]  # seconds, of those in which a silent member is gone after less than 15
    quiet: float = 0.0  # how long to poll to be sure that nothing comes


class EventLogContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    def test_it_gives_back_what_was_published(self, world: World) -> None:
        log = world.open_log()
        log.publish([Record(topic=world.one, key="ké", value=b"\x00\xff", headers={"type": "sông"})])
        message = received(log.subscribe([world.one], group="g", member="m"))[0]
        assert (message.topic, message.key, message.value) == (world.one, "ké", b"\x00\xff")
        assert (message.headers, message.partition, message.offset) == ({"type": "sông"}, 0, 0)
        assert abs(message.time - world.now()) < timedelta(seconds=5)
        log.close()

    def test_it_keeps_the_order_within_a_key(self, world: World) -> None:
        log = world.open_log()
        log.publish([record(world.many, f"k{n % 5}", n) for n in range(100)])
        messages = received(log.subscribe([world.many], group="g", member="m"), 100)
        for key in range(5):
            assert [number(one) for one in messages if one.key == f"k{key}"] == list(range(key, 100, 5))
        assert len({one.partition for one in messages}) > 1
        log.close()

    def test_the_same_key_always_goes_to_the_same_partition(self, world: World) -> None:
        log = world.open_log()
        for n in range(3):
            log.publish([record(world.many, "k", n)])
        assert len({one.partition for one in received(log.browse([world.many], from_start=True), 3)}) == 1
        log.close()

    def test_a_new_group_starts_at_the_oldest_record(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 2))
        assert numbers(received(log.subscribe([world.one], group="late", member="m"), 2)) == [0, 1]
        log.close()

    def test_every_group_gets_every_record(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 2))
        for group in ("a", "b"):
            assert numbers(received(log.subscribe([world.one], group=group, member="m"), 2)) == [0, 1]
        log.close()

    def test_polling_an_empty_log_gives_nothing(self, world: World) -> None:
        log = world.open_log()
        assert log.subscribe([world.one, world.many], group="g", member="m").poll(world.quiet) is None
        log.close()

    def test_a_waiting_poll_gets_what_is_published_meanwhile(self, world: World) -> None:
        log = world.open_log()
        subscription = log.subscribe([world.one], group="g", member="m")
        publisher = threading.Timer(0.05, log.publish, [records(world.one, 1)])
        publisher.start()
        message = subscription.poll(PATIENCE)
        publisher.join()
        assert message is not None
        log.close()

    def test_a_message_is_handed_out_once_to_a_member_that_polls_on(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 1))
        subscription = log.subscribe([world.one], group="g", member="m")
        received(subscription)
        assert subscription.poll(world.quiet) is None
        log.close()

    def test_what_was_not_committed_comes_again_after_close(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 3))
        first = log.subscribe([world.one], group="g", member="first")
        messages = received(first, 3)
        first.commit(messages[0])
        first.close()
        assert numbers(received(log.subscribe([world.one], group="g", member="second"), 2)) == [1, 2]
        log.close()

    def test_a_commit_holds_for_all_before_it_and_an_older_one_undoes_nothing(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 4))
        first = log.subscribe([world.one], group="g", member="m")
        messages = received(first, 4)
        first.commit(messages[2])
        first.commit(messages[0])
        first.close()
        assert numbers(received(log.subscribe([world.one], group="g", member="m"))) == [3]
        log.close()

    def test_the_next_buffered_message_is_of_the_same_partition_and_given_once(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 5))
        subscription = log.subscribe([world.one], group="g", member="m")
        found = received(subscription)
        while len(found) < 5:
            found.append(subscription.next_buffered(found[-1]) or received(subscription)[0])
        assert numbers(found) == [0, 1, 2, 3, 4]
        assert subscription.next_buffered(found[-1]) is None
        assert subscription.poll(world.quiet) is None
        subscription.pause(found[0])
        log.publish(records(world.one, 1))
        assert subscription.next_buffered(found[-1]) is None, "nothing of a partition that is paused"
        log.close()

    def test_several_partitions_are_committed_at_once(self, world: World) -> None:
        log = world.open_log()
        log.publish([*records(world.one, 2), *records(world.many, 2)])
        first = log.subscribe([world.one, world.many], group="g", member="m")
        *before, last = sorted(received(first, 4), key=lambda message: (message.topic == world.one, message.offset))
        first.commit()
        first.commit(*before)
        first.close()
        again = log.subscribe([world.one, world.many], group="g", member="m")
        assert [(one.topic, one.offset) for one in received(again)] == [(last.topic, last.offset)]
        assert again.poll(world.quiet) is None
        log.close()

    def test_reopening_keeps_records_and_offsets(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 3))
        subscription = log.subscribe([world.one], group="g", member="m")
        subscription.commit(received(subscription)[0])
        subscription.close()
        log.close()
        log = world.open_log()
        assert numbers(received(log.subscribe([world.one], group="g", member="m"), 2)) == [1, 2]
        assert numbers(received(log.browse([world.one], from_start=True), 3)) == [0, 1, 2]
        log.close()

    def test_two_members_share_the_partitions(self, world: World) -> None:
        log, other = world.open_log(), world.open_log()
        a = log.subscribe([world.many], group="g", member="a")
        b = other.subscribe([world.many], group="g", member="b")
        settle(world, a, b)
        log.publish(records(world.many, 40))
        messages = shared(40, a, b)
        places = [{one.partition for one in mine} for mine in messages]
        assert not places[0] & places[1]
        assert all(places)
        assert sorted(numbers([*messages[0], *messages[1]])) == list(range(40))
        log.close()
        other.close()

    def test_a_member_beyond_the_number_of_partitions_waits_and_takes_over(self, world: World) -> None:
        log = world.open_log()
        a = log.subscribe([world.one], group="g", member="a")
        b = log.subscribe([world.one], group="g", member="b")
        settle(world, a, b)
        log.publish(records(world.one, 1))
        (message,) = [one for mine in shared(1, a, b) for one in mine]
        owner, waiting = (a, b) if a.owns(message) else (b, a)
        assert not waiting.owns(message)
        owner.close()
        assert numbers(received(waiting)) == [0]
        log.close()

    def test_a_silent_member_loses_its_partitions_and_the_other_goes_on_after_the_last_commit(
        self, world: World
    ) -> None:
        log, other = world.open_log(), world.open_log()
        log.publish(records(world.one, 3))
        dying = log.subscribe([world.one], group="g", member="dying")
        dying.commit(received(dying)[0])
        in_hand = received(dying)[0]
        survivor = other.subscribe([world.one], group="g", member="survivor")
        assert dying.owns(in_hand)
        taken = silence(world, survivor)
        assert taken is not None
        assert number(taken) == 1
        assert not dying.owns(in_hand)
        assert survivor.owns(taken)
        log.close()
        other.close()

    def test_the_commit_of_a_former_owner_does_nothing(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 2))
        dying = log.subscribe([world.one], group="g", member="dying")
        late = received(dying, 2)[1]
        survivor = log.subscribe([world.one], group="g", member="survivor")
        taken = silence(world, survivor)
        assert taken is not None
        dying.commit(late)
        survivor.close()
        dying.close()
        assert numbers(received(log.subscribe([world.one], group="g", member="third"), 2)) == [0, 1]
        log.close()

    def test_a_member_that_was_away_comes_back_at_the_committed_offset(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 4))
        away = log.subscribe([world.one], group="g", member="away")
        received(away)
        survivor = log.subscribe([world.one], group="g", member="survivor")
        taken = silence(world, survivor)
        assert taken is not None
        survivor.commit(received(survivor, 2)[1])
        survivor.close()
        assert numbers(received(away)) == [3]
        log.close()

    def test_polling_alone_keeps_a_member_in_its_group(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 1))
        a = log.subscribe([world.one], group="g", member="a")
        (message,) = received(a)
        a.pause(message)
        b = log.subscribe([world.one], group="g", member="b")
        for _ in range(10):
            world.let_pass(5)
            assert a.poll(0) is None
            assert b.poll(0) is None
        assert a.owns(message)
        a.commit(message)
        assert log.lag("g") == {world.one: 0}
        log.close()

    def test_a_paused_partition_gives_nothing_and_the_others_go_on(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.many, 40))
        subscription = log.subscribe([world.many], group="g", member="m")
        (paused,) = received(subscription)
        subscription.pause(paused)
        others = received(subscription, 10)
        assert paused.partition not in {one.partition for one in others}
        assert subscription.owns(paused)
        log.close()

    def test_resume_starts_after_the_last_commit(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 3))
        subscription = log.subscribe([world.one], group="g", member="m")
        first, second = received(subscription, 2)
        subscription.commit(first)
        subscription.pause(second)
        assert subscription.poll(world.quiet) is None
        subscription.resume(second)
        assert numbers(received(subscription, 2)) == [1, 2]
        log.close()

    def test_close_may_be_called_twice(self, world: World) -> None:
        log = world.open_log()
        for subscription in (
            log.subscribe([world.one], group="g", member="m"),
            log.browse([world.one], from_start=True),
        ):
            subscription.close()
            subscription.close()
        log.close()
        log.close()

    def test_browsing_from_the_start_gives_everything(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.many, 20))
        assert sorted(numbers(received(log.browse([world.many], from_start=True), 20))) == list(range(20))
        log.close()

    def test_browsing_from_the_start_ends_with_what_was_there_however_short_the_poll(self, world: World) -> None:
        log = world.open_log()
        for n in range(12):
            log.publish([record(world.many, f"k{n}", n)])
        browser = log.browse([world.many, world.one], from_start=True)
        messages = list(iter(lambda: browser.poll(0), None))
        assert sorted(numbers(messages)) == list(range(12))
        assert [one.time for one in messages] == sorted(one.time for one in messages)
        empty = log.browse([world.one], from_start=True)
        assert empty.poll(0) is None
        log.close()

    def test_topics_can_be_made_again_and_again(self, world: World) -> None:
        log = world.open_log()
        log.create_topics([world.one, world.many])
        log.publish(records(world.many, 20))
        assert log.create_topics([world.one, world.many]) == []
        assert len({one.partition for one in received(log.browse([world.many], from_start=True), 20)}) == 4
        log.close()

    def test_browsing_from_now_on_gives_only_what_is_new(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.many, 20))
        browser = log.browse([world.many, world.one], from_start=False)
        assert browser.poll(world.quiet) is None
        log.publish([record(world.many, "k", 20), record(world.one, "k", 21)])
        assert sorted(numbers(received(browser, 2))) == [20, 21]
        log.close()

    def test_browsing_disturbs_no_group(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 1))
        member = log.subscribe([world.one], group="g", member="m")
        browser = log.browse([world.one], from_start=True)
        (message,) = received(browser)
        browser.commit(message)
        assert browser.owns(message)
        assert numbers(received(member)) == [0]
        assert log.lag("g") == {world.one: 1}
        log.close()

    def test_lag_counts_what_is_not_committed(self, world: World) -> None:
        log = world.open_log()
        assert log.lag("g") == {}
        log.publish([*records(world.one, 3), *records(world.many, 8)])
        subscription = log.subscribe([world.one, world.many], group="g", member="m")
        messages = received(subscription)
        assert log.lag("g") == {world.one: 3, world.many: 8}
        for message in [*messages, *received(subscription, 10)]:
            if message.topic == world.many:
                subscription.commit(message)
        assert log.lag("g") == {world.one: 3, world.many: 0}
        assert log.lag("other") == {}
        log.close()

    def test_many_threads_publish_at_once(self, world: World) -> None:
        log = world.open_log()
        threads = [threading.Thread(target=publish_one_by_one, args=(log, world.many, f"t{n}", 10)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert_complete(received(log.browse([world.many], from_start=True), 80), writers=8, each=10)
        log.close()

    def test_several_processes_publish_at_once(self, world: World) -> None:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=publish_elsewhere, args=(world, f"p{n}", 20)) for n in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        log = world.open_log()
        assert_complete(received(log.browse([world.many], from_start=True), 60), writers=3, each=20)
        log.close()


class MembershipContract:
    """Of a log where a member is known by its name, and where what is in hand stays where it is."""

    def test_a_member_that_joins_later_gets_a_share_of_idle_partitions(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.many, 40))
        a = log.subscribe([world.many], group="g", member="a")
        in_hand = received(a)[0]
        a.pause(in_hand)
        b = log.subscribe([world.many], group="g", member="b")
        settle(world, a, b)
        assert a.owns(in_hand)
        assert received(b)[0].partition != in_hand.partition
        a.commit(in_hand)
        a.resume(in_hand)
        again = next(one for one in received(a, 10) if one.partition == in_hand.partition)
        assert again.offset == in_hand.offset + 1
        log.close()

    def test_a_member_under_its_old_name_takes_its_partitions_back_at_once(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 1))
        killed = log.subscribe([world.one], group="g", member="same")
        (message,) = received(killed)
        back = log.subscribe([world.one], group="g", member="same")
        assert numbers(received(back)) == [0]
        assert not killed.owns(message)
        killed.commit(message)
        assert killed.poll(world.quiet) is None
        killed.close()
        assert back.owns(message)
        assert log.lag("g") == {world.one: 1}
        log.close()


class TrimContract:
    """Of a log whose engine does not forget by itself."""

    def test_trim_forgets_old_records_only(self, world: World) -> None:
        log = world.open_log()
        log.publish([*records(world.one, 2), *records(world.many, 1)])
        world.let_pass(10)
        border = world.now()
        log.publish([record(world.one, "k", 2)])
        assert log.trim(world.one, border) == 2
        assert numbers(received(log.browse([world.one], from_start=True))) == [2]
        assert numbers(received(log.browse([world.many], from_start=True))) == [0]
        log.close()

    def test_offsets_go_on_after_everything_was_trimmed(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 3))
        subscription = log.subscribe([world.one], group="g", member="m")
        subscription.commit(received(subscription, 3)[2])
        world.let_pass(10)
        log.trim(world.one, world.now())
        log.publish([record(world.one, "k", 3)])
        (message,) = received(subscription)
        assert (message.offset, number(message)) == (3, 3)
        assert log.lag("g") == {world.one: 1}
        log.close()

    def test_trimmed_records_do_not_count_as_lag(self, world: World) -> None:
        log = world.open_log()
        log.publish(records(world.one, 3))
        log.subscribe([world.one], group="g", member="m").close()
        world.let_pass(10)
        log.trim(world.one, world.now())
        assert log.lag("g") == {world.one: 0}
        log.close()


def record(topic: str, key: str, n: int) -> Record:
    return Record(topic=topic, key=key, value=str(n).encode())


def records(topic: str, count: int) -> list[Record]:
    """Numbered from 0, each under a key of its own."""
    return [record(topic, f"key{n}", n) for n in range(count)]


def number(message: Message) -> int:
    return int(message.value)


def numbers(messages: Sequence[Message]) -> list[int]:
    return [number(message) for message in messages]


def received(subscription: Subscription, count: int = 1) -> list[Message]:
    return shared(count, subscription)[0]


def shared(count: int, *members: Subscription) -> list[list[Message]]:
    """Poll `members` in turn until they have `count` messages together: what each has got."""
    got: list[list[Message]] = [[] for _ in members]
    deadline = time.monotonic() + PATIENCE
    while sum(map(len, got)) < count:
        assert time.monotonic() < deadline, f"only {sum(map(len, got))} of {count} messages came"
        for member, mine in zip(members, got, strict=True):
            message = member.poll(0.01 if sum(map(len, got)) < count else 0)
            mine.extend([message] if message else [])
    return got


def settle(world: World, *members: Subscription) -> None:
    """Let the members share out the partitions. What they are given meanwhile is given again."""
    handed: list[tuple[Subscription, Message]] = []
    for _ in range(6):
        for member in members:
            message = member.poll(world.quiet)
            if message:
                member.pause(message)
                handed.append((member, message))
    for member, message in handed:
        member.resume(message)


def silence(world: World, survivor: Subscription) -> Message | None:
    """Fifteen seconds in which only `survivor` polls: the first message that it is given."""
    for _ in range(15):
        world.let_pass(1)
        if message := survivor.poll(world.quiet):
            return message
    return None


def publish_one_by_one(log: EventLog, topic: str, key: str, count: int) -> None:
    for n in range(count):
        log.publish([record(topic, key, n)])


def publish_elsewhere(world: World, key: str, count: int) -> None:
    log = world.open_log()
    publish_one_by_one(log, world.many, key, count)
    log.close()


def assert_complete(messages: Sequence[Message], *, writers: int, each: int) -> None:
    by_key = defaultdict(list)
    for message in messages:
        by_key[message.key].append(number(message))
    assert len(by_key) == writers
    assert all(found == list(range(each)) for found in by_key.values())
    assert len({(one.partition, one.offset) for one in messages}) == writers * each
