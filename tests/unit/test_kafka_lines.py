from datetime import UTC, datetime, timedelta

from demixer.adapters.kafka.prefetch_queue import FULL, LOW, Line, oldest
from demixer.ports import Message

START = datetime(2026, 11, 22, tzinfo=UTC)


def message(offset: int, *, second: int = 0, partition: int = 0) -> Message:
    time = START + timedelta(seconds=second)
    return Message(topic="t", key="k", value=b"", partition=partition, offset=offset, time=time)


def a_line(*offsets: int, end: int = 0) -> Line:
    line = Line(end=end)
    for offset in offsets:
        line.put(message(offset))
    return line


def test_what_is_not_done_is_handed_out_again_after_a_rewind() -> None:
    line = a_line(4, 5, 6)
    assert [line.take().offset for _ in range(3)] == [4, 5, 6]
    line.done(4)
    line.rewind()
    assert [line.take().offset for _ in range(2)] == [5, 6]
    assert line.head is None


def test_a_paused_line_has_nothing_to_hand_out() -> None:
    line = a_line(4)
    line.paused = True
    assert line.head is None
    assert oldest([line]) is None


def test_only_what_this_owner_was_given_and_has_not_done_is_to_be_committed() -> None:
    line = a_line(4, 5, 6)
    line.take()
    assert [offset for offset in range(10) if line.covers(offset)] == [4, 5, 6]
    line.done(5)
    assert [offset for offset in range(10) if line.covers(offset)] == [6]
    line.done(6)
    assert not any(line.covers(offset) for offset in range(10))
    assert not Line().covers(0)


def test_the_oldest_of_all_lines_comes_first() -> None:
    lines = [Line(), Line(), Line()]
    for partition, second in ((0, 3), (1, 1), (2, 2)):
        lines[partition].put(message(0, second=second, partition=partition))
    found = []
    while line := oldest(lines):
        found.append(line.take().partition)
    assert found == [1, 2, 0]


def test_a_reader_of_all_that_is_there_waits_for_what_may_be_older() -> None:
    ready, on_its_way = a_line(0, end=1), Line(end=2)
    assert oldest([ready, on_its_way]) is None
    on_its_way.put(message(0, second=-1))
    assert oldest([ready, on_its_way]) is on_its_way
    on_its_way.take()
    assert oldest([ready, on_its_way]) is None
    on_its_way.reached(2)
    assert oldest([ready, on_its_way]) is ready


def test_a_line_is_full_until_most_of_it_is_handed_out() -> None:
    line = a_line(*range(FULL))
    assert line.full
    line.held_back = True
    taken = [line.take().offset for _ in iter(lambda: line.full, False)]
    assert len(taken) == FULL - LOW + 1
