from datetime import UTC, datetime, timedelta

from demixer.adapters.kafka.prefetch_queue import HIGH_WATER, LOW_WATER, PrefetchQueue, oldest
from demixer.ports import Message

START = datetime(2026, 11, 22, tzinfo=UTC)


def message(offset: int, *, second: int = 0, partition: int = 0) -> Message:
    time = START + timedelta(seconds=second)
    return Message(topic="t", key="k", value=b"", partition=partition, offset=offset, time=time)


def a_queue(*offsets: int, end: int = 0) -> PrefetchQueue:
    queue = PrefetchQueue(end=end)
    for offset in offsets:
        queue.put(message(offset))
    return queue


def test_uncommitted_messages_are_handed_out_again_after_a_rewind() -> None:
    queue = a_queue(4, 5, 6)
    assert [queue.take().offset for _ in range(3)] == [4, 5, 6]
    queue.committed(4)
    queue.rewind()
    assert [queue.take().offset for _ in range(2)] == [5, 6]
    assert queue.head is None


def test_a_paused_queue_has_nothing_to_hand_out() -> None:
    queue = a_queue(4)
    queue.paused = True
    assert queue.head is None
    assert oldest([queue]) is None


def test_only_fetched_messages_that_are_not_committed_may_be_committed() -> None:
    queue = a_queue(4, 5, 6)
    queue.take()
    assert [offset for offset in range(10) if queue.may_commit(offset)] == [4, 5, 6]
    queue.committed(5)
    assert [offset for offset in range(10) if queue.may_commit(offset)] == [6]
    queue.committed(6)
    assert not any(queue.may_commit(offset) for offset in range(10))
    assert not PrefetchQueue().may_commit(0)


def test_the_oldest_message_of_all_queues_comes_first() -> None:
    queues = [PrefetchQueue(), PrefetchQueue(), PrefetchQueue()]
    for partition, second in ((0, 3), (1, 1), (2, 2)):
        queues[partition].put(message(0, second=second, partition=partition))
    found = []
    while queue := oldest(queues):
        found.append(queue.take().partition)
    assert found == [1, 2, 0]


def test_a_browser_waits_for_a_partition_whose_message_may_be_older() -> None:
    ready, on_its_way = a_queue(0, end=1), PrefetchQueue(end=2)
    assert oldest([ready, on_its_way]) is None
    on_its_way.put(message(0, second=-1))
    assert oldest([ready, on_its_way]) is on_its_way
    on_its_way.take()
    assert oldest([ready, on_its_way]) is None
    on_its_way.skip_to(2)
    assert oldest([ready, on_its_way]) is ready


def test_a_queue_is_full_until_most_of_it_is_handed_out() -> None:
    queue = a_queue(*range(HIGH_WATER))
    assert queue.is_full
    queue.fetch_paused = True
    taken = [queue.take().offset for _ in iter(lambda: queue.is_full, False)]
    assert len(taken) == HIGH_WATER - LOW_WATER + 1
