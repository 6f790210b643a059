import contextlib
import errno
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest

from consumers.framework.consumer import Context, Stopped
from consumers.framework.delivery_counter import CRASH_LIMIT, KILL_LIMIT, DeliveryCounter
from consumers.framework.loop import Loop
from consumers.framework.outcome_handler import DEAD_LETTER_LIMIT, BreakerOpen
from consumers.framework.task_slots import HELP_SECONDS
from demixer.domain import Event, events
from demixer.domain.errors import Forbidden, NotFound, Refused, StorageFull, Transient
from demixer.ports import Message, Subscription
from demixer.wiring import Services
from schemas.errors import BadEvent
from tests.consumers.driving import ByHand, Recorder, letters, loop_of, publish_bytes, some_uploads, steps
from tests.steps import sent
from tests.wired import START, Clock, published


class Crash(Exception):
    """An error that nobody foresaw."""


def raising(error: BaseException) -> Callable[[Event, Any], None]:
    def then(event: Event, context: Context) -> None:
        raise error

    return then


def an_event(**changes: object) -> bytes:
    """The example of `upload.received`, with another envelope."""
    example = files("schemas").joinpath("examples", "upload.received", "1", "plain.json").read_text("utf-8")
    return json.dumps({**json.loads(example), **changes}).encode()


def committed(services: Services, group: str = "test", topic: str = "uploads") -> bool:
    return services.events.lag(group)[topic] == 0


def test_what_is_done_is_committed(services: Services, clock: Clock) -> None:
    sent_ = some_uploads(services, 5)
    recorder = Recorder()
    steps(loop_of(services, recorder.consumer(), clock))
    assert sorted(recorder.seen) == sorted(upload.id for upload in sent_)
    assert committed(services)


def test_what_was_not_committed_is_delivered_again_to_the_next_process(services: Services, clock: Clock) -> None:
    (upload,) = some_uploads(services, 1)
    first, second = Recorder(raising(Crash())), Recorder()
    loop = loop_of(services, first.consumer(), clock)
    with pytest.raises(Crash):
        steps(loop)
    loop._leave()
    assert not committed(services)
    steps(loop_of(services, second.consumer(), clock))
    assert first.seen == second.seen == [upload.id]
    assert letters(services, "uploads") == []


def test_the_effects_are_published_before_the_commit(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    seen: list[bool] = []

    def change(event: Event, context: Context) -> None:
        withdraw(services, event.subject, clock)
        seen.append(committed(services))

    steps(loop_of(services, Recorder(change).consumer(), clock))
    assert seen == [False]
    assert [event.type for event in published(services, "matching")] == ["upload.withdrawn"]


@pytest.mark.parametrize("error", [Transient(), Stopped(), Refused()])
@pytest.mark.parametrize("beside", [False, True])
def test_what_a_handler_saved_before_it_failed_is_published(
    services: Services, clock: Clock, error: Exception, *, beside: bool
) -> None:
    some_uploads(services, 1)

    def change(event: Event, context: Context) -> None:
        withdraw(services, event.subject, clock)
        raise error

    by_hand = ByHand()
    loop = loop_of(services, Recorder(change).consumer(), clock, executor=by_hand if beside else None)
    steps(loop, 3)
    while by_hand.jobs:
        by_hand.run_next()
    steps(loop, 3)
    assert {event.type for event in published(services, "matching")} == {"upload.withdrawn"}


def test_what_helping_out_saved_is_published(services: Services, clock: Clock) -> None:
    upload = sent(services)
    by_hand = ByHand()
    consumer = Recorder().consumer(topics=("matching",), help_out=lambda context: withdraw(services, upload.id, clock))
    loop = loop_of(services, consumer, clock, executor=by_hand)
    clock.advance(HELP_SECONDS)
    loop._run_once()
    assert published(services, "matching") == []
    by_hand.run_next()
    loop._run_once()
    assert [event.type for event in published(services, "matching")] == ["upload.withdrawn"]


def withdraw(services: Services, upload_id: str, clock: Clock) -> None:
    """Save a change with an event, and leave publishing it to the loop."""
    upload = services.catalogue.uploads.get(upload_id)
    assert upload is not None
    services.work.save(services.catalogue.uploads, upload, [events.upload_withdrawn(upload, clock())])


def test_a_transient_failure_is_tried_again_later_and_later(services: Services, clock: Clock) -> None:
    (upload,) = some_uploads(services, 1)
    recorder = Recorder(raising(StorageFull()))
    loop = loop_of(services, recorder.consumer(retries=3), clock)
    steps(loop)
    assert len(recorder.seen) == 1
    for tries, seconds in enumerate((0.5, 1.0, 2.0), start=2):
        clock.advance(seconds - 0.01)
        steps(loop)
        assert len(recorder.seen) == tries - 1
        clock.advance(0.01)
        steps(loop)
        assert len(recorder.seen) == tries
    assert recorder.given_up == [(upload.id, "storage-full")]
    assert committed(services)
    (letter,) = letters(services, "uploads")
    assert letter.headers["dead-code"] == "storage-full"


def test_a_failure_that_goes_away_leaves_no_trace(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    recorder = Recorder(raising(Transient()))
    loop = loop_of(services, recorder.consumer(), clock)
    steps(loop)
    recorder.then = lambda event, context: None
    clock.advance(1)
    steps(loop)
    assert committed(services)
    assert (letters(services, "uploads"), recorder.given_up) == ([], [])


def test_other_partitions_flow_while_one_waits(services: Services, clock: Clock) -> None:
    uploads = some_uploads(services, 12)
    stuck = uploads[0].id

    def then(event: Event, context: Context) -> None:
        if event.subject == stuck:
            raise Transient

    recorder = Recorder(then)
    steps(loop_of(services, recorder.consumer(), clock), 40)
    assert recorder.seen.count(stuck) == 1
    assert len(recorder.seen) > 4
    assert 0 < services.events.lag("test")["uploads"] < 12


@pytest.mark.parametrize("error", [Refused("not-audio"), NotFound(), Forbidden(), BadEvent("x")])
def test_what_no_retry_can_help_is_a_dead_letter_at_once(services: Services, clock: Clock, error: Exception) -> None:
    (upload,) = some_uploads(services, 1)
    original = services.events.browse(["uploads"], from_start=True).poll(0)
    assert original is not None
    recorder = Recorder(raising(error))
    steps(loop_of(services, recorder.consumer(), clock))
    assert recorder.seen == [upload.id]
    assert [subject for subject, _ in recorder.given_up] == [upload.id]
    (letter,) = letters(services, "uploads")
    assert (letter.value, letter.key) == (original.value, original.key)
    assert letter.headers["type"] == "upload.received"
    assert letter.headers["dead-topic"] == "uploads"
    assert letter.headers["dead-place"] == f"{original.partition}/{original.offset}"
    assert letter.headers["dead-group"] == "test"
    assert type(error).__name__ in letter.headers["dead-why"]
    assert committed(services)


@pytest.mark.parametrize(
    "value",
    [
        b"\xff not json",
        an_event(dataschema="/schemas/upload.received/99"),
        an_event(data={"upload_id": "u"}),
        an_event(type="upload.eaten"),
    ],
    ids=["no event", "a later version", "a broken schema", "an unknown type"],
)
def test_what_is_no_event_of_ours_is_a_dead_letter_with_its_bytes_and_the_next_one_is_handled(
    services: Services, clock: Clock, value: bytes
) -> None:
    recorder = Recorder()
    loop = loop_of(services, recorder.consumer(), clock)
    publish_bytes(services, "uploads", value, key="k")
    steps(loop)
    (upload,) = some_uploads(services, 1)
    steps(loop)
    assert (recorder.seen, recorder.given_up) == ([upload.id], [])
    assert [letter.value for letter in letters(services, "uploads")] == [value]
    assert committed(services)


def test_a_dead_letter_is_durable_before_the_commit(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_bytes(services, "uploads", b"nonsense")
    loop = loop_of(services, Recorder().consumer(), clock)
    with monkeypatch.context() as patch:
        patch.setattr(services.events, "publish", raising_publish)
        steps(loop)
        assert not committed(services)
    clock.advance(1)
    steps(loop)
    assert committed(services)
    assert len(letters(services, "uploads")) == 1


def test_an_event_that_was_given_up_has_a_dead_letter_though_the_log_was_busy(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_uploads(services, 1)
    recorder = Recorder()

    def then(event: Event, context: Context) -> None:
        if not recorder.given_up:  # afterwards there is nothing left to do
            raise Refused

    recorder.then = then
    loop = loop_of(services, recorder.consumer(), clock)
    with monkeypatch.context() as patch:
        patch.setattr(services.events, "publish", raising_publish)
        steps(loop)
    clock.advance(1)
    steps(loop)
    assert committed(services)
    assert (len(recorder.given_up), len(letters(services, "uploads"))) == (1, 1)


def test_giving_up_that_has_to_wait_writes_no_second_letter(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    tries: list[Event] = []

    def give_up(event: Event, failure: Any, context: Context) -> None:
        tries.append(event)
        if len(tries) == 1:
            raise Transient

    loop = loop_of(services, Recorder(raising(Refused())).consumer(give_up=give_up), clock)
    steps(loop)
    clock.advance(1)
    steps(loop)
    assert committed(services)
    assert (len(tries), len(letters(services, "uploads"))) == (2, 1)


def raising_publish(records: Any) -> None:
    raise Transient


def test_giving_up_that_fails_does_not_hold_up_the_rest(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)

    def give_up(event: Event, failure: Any, context: Context) -> None:
        raise Crash

    steps(loop_of(services, Recorder(raising(Refused())).consumer(give_up=give_up), clock))
    assert committed(services)
    assert len(letters(services, "uploads")) == 1


def test_the_breaker_stops_a_consumer_that_makes_only_dead_letters(services: Services, clock: Clock) -> None:
    some_uploads(services, DEAD_LETTER_LIMIT + 5)
    recorder = Recorder(raising(Refused()))
    loop = loop_of(services, recorder.consumer(), clock)
    with pytest.raises(BreakerOpen):
        steps(loop, 100)
    assert len(recorder.seen) == len(letters(services, "uploads")) == DEAD_LETTER_LIMIT
    assert services.events.lag("test")["uploads"] == 5


def test_one_that_is_done_in_between_keeps_the_breaker_closed(services: Services, clock: Clock) -> None:
    some_uploads(services, DEAD_LETTER_LIMIT * 2)
    recorder = Recorder()

    def then(event: Event, context: Context) -> None:
        if len(recorder.seen) % (DEAD_LETTER_LIMIT - 1):
            raise Refused

    recorder.then = then
    steps(loop_of(services, recorder.consumer(), clock), 100)
    assert committed(services)


def crash(services: Services, clock: Clock, recorder: Recorder) -> None:
    loop = loop_of(services, recorder.consumer(), clock)
    with pytest.raises(Crash):
        steps(loop)
    loop._leave()


def test_a_message_that_crashes_every_process_is_given_up_in_the_end(services: Services, clock: Clock) -> None:
    (upload,) = some_uploads(services, 1)
    recorder = Recorder(raising(Crash()))
    for _ in range(CRASH_LIMIT):
        crash(services, clock, recorder)
    assert recorder.given_up == []
    steps(loop_of(services, recorder.consumer(), clock))
    assert recorder.seen == [upload.id] * CRASH_LIMIT
    assert recorder.given_up == [(upload.id, "internal")]
    assert len(letters(services, "uploads")) == 1
    assert committed(services)


@pytest.mark.embedded
def test_a_message_whose_process_is_killed_every_time_is_given_up_too_but_later(
    services: Services, clock: Clock
) -> None:
    (upload,) = some_uploads(services, 1)
    for _ in range(KILL_LIMIT):
        loop = loop_of(services, Recorder().consumer(), clock, executor=ByHand())
        steps(loop, 3)
        loop._subscription.close()  # kill -9: nothing else happens
    recorder = Recorder()
    steps(loop_of(services, recorder.consumer(), clock))
    assert (recorder.seen, recorder.given_up) == ([], [(upload.id, "internal")])


def test_a_loop_that_cannot_commit_leaves_the_group_all_the_same(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, recorder = loop_of(services, Recorder().consumer(), clock), Recorder()
    steps(loop, 1)

    def crash(*, early: bool) -> None:
        raise Crash

    monkeypatch.setattr(loop._commits, "commit_due", crash)
    with pytest.raises(Crash):
        loop._leave()
    some_uploads(services, 1)
    steps(loop_of(services, recorder.consumer(), clock, member="two"))
    assert len(recorder.seen) == 1


@pytest.mark.embedded
def test_an_orderly_stop_does_not_count_against_a_message(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    for _ in range(KILL_LIMIT + 1):
        loop = loop_of(services, Recorder().consumer(), clock, executor=ByHand())
        steps(loop, 3)
        loop._leave()
    recorder = Recorder()
    steps(loop_of(services, recorder.consumer(), clock))
    assert len(recorder.seen) == 1


def at(offset: int) -> Message:
    return Message(topic="t", key="k", value=b"", partition=0, offset=offset, time=START)


def killed_with(folder: Path, offset: int) -> None:
    deliveries = DeliveryCounter(folder)
    deliveries.begin(at(offset))
    deliveries.close()


def test_the_next_message_of_a_partition_starts_from_nothing(tmp_path: Path) -> None:
    for _ in range(3):
        killed_with(tmp_path, 1)
    assert DeliveryCounter(tmp_path).begin(at(1)).kills == 3
    assert DeliveryCounter(tmp_path).begin(at(2)).kills == 0
    (tmp_path / "t-0").write_text("torn")
    assert DeliveryCounter(tmp_path).begin(at(2)).kills == 0


def test_of_several_in_a_row_the_one_in_progress_is_counted(tmp_path: Path) -> None:
    deliveries = DeliveryCounter(tmp_path)
    for offset in (1, 2, 3):
        deliveries.begin(at(offset))
    deliveries.close()
    again = DeliveryCounter(tmp_path)
    assert [again.begin(at(offset)).kills for offset in (1, 2, 3, 4)] == [0, 0, 1, 0]
    again.end(at(4))
    assert DeliveryCounter(tmp_path).begin(at(4)).kills == 0


def test_on_a_full_disk_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    deliveries = DeliveryCounter(tmp_path)
    assert deliveries.begin(at(1)) == (0, 0)
    deliveries.end(at(1), crashed=True)
    deliveries.close()


def test_more_bad_ends_than_a_file_has_room_for_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "t-0").write_bytes(bytes(8) + json.dumps({n: [1, 1] for n in range(10_000)}).encode())
    deliveries = DeliveryCounter(tmp_path)
    assert deliveries.begin(at(7)) == (0, 0)
    deliveries.end(at(7))
    deliveries.close()


# --- a log that is too busy to say who owns a partition -------------------------------------------------------------


class Hesitant:
    """A subscription whose `owns` fails once in a while."""

    def __init__(self, subscription: Subscription, every: int) -> None:
        self._subscription, self._every, self.asked = subscription, every, 0

    def owns(self, message: Message) -> bool:
        self.asked += 1
        if self.asked % self._every == 1:
            raise Transient(engine="the log", reason="busy")
        return self._subscription.owns(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subscription, name)


@pytest.mark.embedded
@pytest.mark.parametrize("beside", [False, True])
def test_nothing_is_lost_or_stuck_where_the_log_cannot_say_who_owns_a_partition(
    services: Services, clock: Clock, *, beside: bool
) -> None:
    uploads = [upload.id for upload in some_uploads(services, 8)]

    def then(event: Event, context: Any) -> None:
        if event.subject == uploads[0]:
            raise NotFound

    recorder, by_hand = Recorder(then), ByHand(slots=2)
    loop = loop_of(services, recorder.consumer(), clock, executor=by_hand if beside else None)
    loop._subscription = cast(Subscription, Hesitant(loop._subscription, 3))
    for _ in range(60):
        clock.advance(1)
        with contextlib.suppress(Transient):
            loop._run_once()
        while by_hand.jobs:
            by_hand.run_next()
    assert set(recorder.seen) == set(uploads)
    assert committed(services)
    assert len(letters(services, "uploads")) == 1
    loop._leave()


def test_a_crash_does_not_count_against_those_that_ended_at_the_same_moment(services: Services, clock: Clock) -> None:
    some_uploads(services, 30)

    def then(event: Event, context: Any) -> None:
        if len(recorder.seen) == 1:
            raise Crash

    recorder, by_hand = Recorder(then), ByHand(slots=3)
    loop = loop_of(services, recorder.consumer(), clock, executor=by_hand)
    steps(loop)
    assert loop._slots is not None
    in_progress = loop._slots.running
    while by_hand.jobs:
        by_hand.run_next()
    with pytest.raises(Crash):
        loop._run_once()
    loop._leave()
    after = DeliveryCounter(services.settings.data_dir / "deliveries" / "test")
    assert sorted(after.begin(message) for message in in_progress) == [(0, 0), (0, 0), (1, 0)]


# --- long work ------------------------------------------------------------------------------------------------------


def working(
    services: Services, clock: Clock, recorder: Recorder, slots: int = 1, member: str = "one"
) -> tuple[Loop, ByHand]:
    hand = ByHand(slots)
    loop = loop_of(services, recorder.consumer(), clock, executor=hand, member=member)
    steps(loop)
    return loop, hand


@pytest.mark.embedded
def test_polling_goes_on_beside_long_work_and_keeps_the_partitions(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    recorder = Recorder()
    loop, hand = working(services, clock, recorder)
    other = loop_of(services, Recorder().consumer(), clock, member="two")
    for _ in range(10):
        clock.advance(5)
        steps(loop, 2)
        steps(other, 2)
    assert not committed(services)
    hand.run_next()
    steps(loop, 2)
    assert committed(services)


def test_one_at_a_time_the_oldest_first(services: Services, clock: Clock) -> None:
    expected = [sent(services).id]
    recorder = Recorder()
    loop, hand = working(services, clock, recorder)
    for number in range(12):
        clock.advance(1)
        expected.append(sent(services, data=bytes([number])).id)
    steps(loop)
    while hand.jobs:
        assert len(hand.jobs) == 1
        hand.run_next()
        steps(loop)
    assert recorder.seen == expected
    assert committed(services)


def test_several_at_once_never_two_of_one_partition(services: Services, clock: Clock) -> None:
    some_uploads(services, 30)
    recorder = Recorder()
    loop, hand = working(services, clock, recorder, slots=3)
    assert len(hand.jobs) == 3
    assert loop._slots is not None
    assert len({message.topic_partition for message in loop._slots.running}) == 3
    while hand.jobs:
        hand.run_next()
        steps(loop)
    assert len(recorder.seen) == 30
    assert committed(services)


def test_a_crash_beside_the_polling_ends_the_loop(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    loop, hand = working(services, clock, Recorder(raising(Crash())))
    hand.run_next()
    with pytest.raises(Crash):
        steps(loop)
    assert not committed(services)


@pytest.mark.embedded
def test_work_whose_partition_went_to_another_is_finished_and_not_committed_a_second_time(
    services: Services, clock: Clock
) -> None:
    some_uploads(services, 1)
    first, second = Recorder(), Recorder()
    loop, hand = working(services, clock, first)
    clock.advance(20)  # suspended: no sign of life
    steps(loop_of(services, second.consumer(), clock, member="two"))
    assert committed(services)
    some_uploads(services, 1)
    hand.run_next()
    steps(loop)
    assert first.seen == second.seen[:1]
    assert not hand.jobs


@pytest.mark.embedded
def test_work_that_ends_after_its_partition_went_is_not_committed_twice(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    loop, hand = working(services, clock, Recorder(raising(Refused())))
    clock.advance(20)
    steps(loop_of(services, Recorder().consumer(), clock, member="two"))
    hand.run_next()
    steps(loop)
    assert letters(services, "uploads") == []


@pytest.mark.embedded
def test_a_partition_that_went_and_came_back_flows_again(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    recorder = Recorder()
    loop, hand = working(services, clock, recorder)
    clock.advance(20)
    other = loop_of(services, Recorder().consumer(), clock, executor=ByHand(), member="two")
    steps(other, 3)
    other._leave()
    for _ in range(3):
        clock.advance(3)
        steps(loop)
    while hand.jobs:
        hand.run_next()
        steps(loop)
    assert committed(services)


@pytest.mark.embedded
def test_a_message_that_comes_back_while_its_work_goes_on_waits_for_the_end_of_that(
    services: Services, clock: Clock
) -> None:
    some_uploads(services, 1)
    recorder = Recorder()
    loop, hand = working(services, clock, recorder, slots=2)
    clock.advance(20)
    other = loop_of(services, Recorder().consumer(), clock, executor=ByHand(), member="two")
    steps(other, 3)
    steps(loop)
    other._leave()
    for _ in range(3):
        clock.advance(3)
        steps(loop)
    assert len(hand.jobs) == 1
    while hand.jobs:
        hand.run_next()
        steps(loop)
    assert committed(services)


def test_a_stop_asks_the_work_to_stop_and_leaves_it_for_the_next(services: Services, clock: Clock) -> None:
    (upload,) = some_uploads(services, 1)

    def then(event: Event, context: Context) -> None:
        assert context.stopping()
        raise Stopped

    loop, hand = working(services, clock, Recorder(then))
    loop.stop()
    hand.run_next()
    loop.run()
    assert not committed(services)
    assert letters(services, "uploads") == []
    recorder = Recorder()
    steps(loop_of(services, recorder.consumer(), clock))
    assert recorder.seen == [upload.id]


def test_work_that_ends_in_time_counts_though_a_stop_was_asked_for(services: Services, clock: Clock) -> None:
    some_uploads(services, 1)
    loop, hand = working(services, clock, Recorder())
    loop.stop()
    hand.run_next()
    loop.run()
    assert committed(services)


def test_it_closes_what_the_consumer_holds(services: Services, clock: Clock) -> None:
    closed: list[str] = []
    loop = loop_of(services, Recorder().consumer(close=lambda: closed.append("closed")), clock)
    loop.stop()
    loop.run()
    assert closed == ["closed"]


def test_threads_run_beside_the_loop(services: Services) -> None:
    some_uploads(services, 3)
    recorder = Recorder()
    loop = Loop(
        recorder.consumer(at_once=2),
        log=services.events,
        flush=services.flush,
        counts_dir=services.settings.data_dir / "deliveries",
        now=services.clock,
        member="one",
        idle_timeout=0.01,
    )

    def then(event: Event, context: Context) -> None:
        if len(recorder.seen) == 3:
            loop.stop()

    recorder.then = then
    loop.run()
    assert len(recorder.seen) == 3
    assert committed(services)


def test_a_poll_that_an_engine_is_too_busy_for_does_not_end_the_loop(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = loop_of(services, Recorder().consumer(), clock)
    monkeypatch.setattr("consumers.framework.loop.ENGINE_RETRY_SECONDS", 0)
    polls: list[float] = []

    def poll(timeout: float) -> None:
        polls.append(timeout)
        if len(polls) == 1:
            raise Transient
        loop.stop()

    monkeypatch.setattr(loop._subscription, "poll", poll)
    loop.run()
    assert len(polls) == 2


def test_a_commit_that_an_engine_is_too_busy_for_is_made_later(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_uploads(services, 1)
    loop = loop_of(services, Recorder().consumer(), clock)
    with monkeypatch.context() as patch:
        patch.setattr(loop._subscription, "commit", lambda message: raising_publish(message))
        steps(loop)
        assert not committed(services)
    clock.advance(1)
    steps(loop)
    assert committed(services)
