"""Several members separate: nobody idles while a song waits, nothing is done twice, what a killed one had goes on."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from consumers import separate
from consumers.framework.consumer import Context, Stopped
from consumers.separation_leases import DEAD_SECONDS, HELP_AFTER, at_work_elsewhere
from demixer.domain import Separation, SeparationState, SongState, Status
from demixer.domain.errors import SeparationFailed, Transient
from demixer.ports import Message
from demixer.wiring import Services
from tests.consumers.driving import ByHand, drained, loop_of, steps
from tests.consumers.test_loop import committed
from tests.consumers.test_separate import FakeWorker, Work, quickly, raising, status
from tests.steps import heard, matched, sent, separation_of, song_of
from tests.wired import Clock, data_of, published


def waiting(services: Services, number: int = 1) -> list[Separation]:
    """Songs in the queue, the first first."""
    made = [matched(services, sent(services, data=b"%d" % n), heard(n)) for n in range(number)]
    return [separation_of(services, song_of(services, upload.song_id).separation_id) for upload in made]


def state(services: Services, separation: Separation) -> SeparationState:
    return separation_of(services, separation.id).state


def begun_by(services: Services, separation: Separation, runner: str) -> None:
    assert services.separations.claim(separation_of(services, separation.id), runner)


def reported(services: Services, separation: Separation) -> None:
    services.separations.report_progress(separation.id, 1, progress=0.5, seconds_left=None, device="CPU")


def context_of(services: Services, member: str, stopping: bool = False) -> Context:
    return Context(services, lambda: stopping, member)


class Helping:
    """`help_out` of one member, with its worker and clock."""

    def __init__(self, services: Services, clock: Clock, work: Work = quickly) -> None:
        self.worker = FakeWorker(work)
        self._services, self._clock = services, clock
        made = separate.consumer(services, self.worker, clock=clock.monotonic).help_out
        assert made is not None
        self._help_out = made

    def looks(self, after: float = 0, stopping: bool = False) -> None:
        self._clock.advance(after)
        self._help_out(context_of(self._services, "helper", stopping))


def test_an_idle_member_takes_the_first_that_nobody_comes_to(services: Services, clock: Clock) -> None:
    first, second = waiting(services, 2)
    helping = Helping(services, clock)
    helping.looks()
    helping.looks(after=HELP_AFTER - 1)
    assert state(services, first) is SeparationState.REQUESTED, "its owner had no time to begin"
    helping.looks(after=1)
    assert (state(services, first), state(services, second)) == (SeparationState.READY, SeparationState.REQUESTED)
    helping.looks()
    assert state(services, second) is SeparationState.READY


def test_the_event_of_what_a_helper_has_made_is_done_without_separating_again(services: Services, clock: Clock) -> None:
    waiting(services)
    helping, owner = Helping(services, clock), FakeWorker()
    helping.looks()
    helping.looks(after=HELP_AFTER)
    drained(services, clock, separate.consumer(services, owner))
    assert (len(helping.worker.folders), len(owner.folders)) == (1, 0)
    assert committed(services, "separate", "separations")
    assert [event.type for event in published(services, "songs")].count("song.separated") == 1


def test_what_a_helper_could_not_do_is_announced_again_and_left_to_the_owner_of_the_event(
    services: Services, clock: Clock
) -> None:
    (asked,) = waiting(services)
    helping = Helping(services, clock, raising(SeparationFailed("worker-died")))
    helping.looks()
    with pytest.raises(Transient):
        helping.looks(after=HELP_AFTER)
    helping.looks(after=HELP_AFTER)
    assert len(helping.worker.folders) == 1, "one try is enough: it may be the song"
    assert [data_of(event)["attempt"] for event in published(services, "separations")] == [1, 1]
    assert state(services, asked) is SeparationState.REQUESTED


def test_a_helper_that_stops_gives_its_song_back(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)

    def until_stopped(on_progress: Callable[..., None], should_stop: Callable[[], bool]) -> None:
        from demixer.domain.errors import Cancelled

        if should_stop():
            raise Cancelled

    helping = Helping(services, clock, until_stopped)
    helping.looks()
    with pytest.raises(Stopped):
        helping.looks(after=HELP_AFTER, stopping=True)
    assert state(services, asked) is SeparationState.REQUESTED
    assert len(published(services, "separations")) == 2, "its event may be used up"


def test_of_two_who_take_the_same_one_gets_it(services: Services) -> None:
    (asked,) = waiting(services)
    seen = separation_of(services, asked.id)
    assert services.separations.claim(seen, "one") is not None
    assert services.separations.claim(seen, "two") is None


def test_the_event_of_one_that_somebody_else_reports_on_is_done(services: Services, clock: Clock) -> None:
    """After a rebalance: its former owner finishes what it has in hand."""
    (asked,) = waiting(services)
    begun_by(services, asked, "other")
    worker = FakeWorker()
    made = separate.consumer(services, worker, wait=lambda seconds: reported(services, asked))
    drained(services, clock, made)
    assert committed(services, "separate", "separations")
    assert (worker.folders, state(services, asked)) == ([], SeparationState.RUNNING)


def test_one_that_nobody_reports_on_is_taken_over(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)
    begun_by(services, asked, "killed")
    waits: list[float] = []
    drained(services, clock, separate.consumer(services, FakeWorker(), wait=waits.append))
    assert state(services, asked) is SeparationState.READY
    assert sum(waits) == pytest.approx(DEAD_SECONDS)


def test_what_a_member_had_in_hand_when_it_was_killed_it_takes_up_at_once(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)
    begun_by(services, asked, "one")
    drained(services, clock, separate.consumer(services, FakeWorker(), wait=lambda seconds: pytest.fail("it waited")))
    assert state(services, asked) is SeparationState.READY
    assert separation_of(services, asked.id).lease_owner == "one"


def test_one_that_ends_or_is_put_back_while_somebody_looks_is_nobody_elses(services: Services) -> None:
    (asked,) = waiting(services)
    begun_by(services, asked, "other")
    seen = separation_of(services, asked.id)
    assert not at_work_elsewhere(
        context_of(services, "one"), asked.id, lambda seconds: services.separations.reclaim_expired(seen)
    )


def test_a_look_ends_when_the_process_should_stop(services: Services) -> None:
    (asked,) = waiting(services)
    begun_by(services, asked, "other")
    with pytest.raises(Stopped):
        at_work_elsewhere(context_of(services, "one", stopping=True), asked.id, lambda seconds: None)


def test_one_whose_song_is_gone_is_not_taken(services: Services) -> None:
    (asked,) = waiting(services)
    song = services.catalogue.songs.get(asked.song_id)
    assert song is not None
    services.catalogue.songs.save(replace(song, state=SongState.WITHDRAWN))
    assert services.separations.claim(separation_of(services, asked.id), "one") is None
    assert state(services, asked) is SeparationState.CANCELLED


# --- through the loop -----------------------------------------------------------------------------------------------


def test_a_member_without_messages_helps_beside_its_polling(services: Services, clock: Clock) -> None:
    """The partitions of both songs belong to the first, which has not come to them; nothing is separated twice."""
    workers, hands = [FakeWorker(), FakeWorker()], [ByHand(), ByHand()]
    first, second = (
        loop_of(
            services, separate.consumer(services, worker, clock=clock.monotonic), clock, executor=by_hand, member=name
        )
        for worker, by_hand, name in zip(workers, hands, ("one", "two"), strict=True)
    )
    second._subscription = NoMessages()
    queue = waiting(services, 2)
    steps(first)
    for _ in range(5):
        clock.advance(2)
        steps(second, 1)
        if hands[1].jobs:
            hands[1].run_next()
    assert [state(services, each) for each in queue] == [SeparationState.READY] * 2
    while hands[0].jobs:
        hands[0].run_next()
        steps(first, 3)
    assert committed(services, "separate", "separations")
    assert [len(worker.folders) for worker in workers] == [0, 2]
    first._leave()
    second._leave()


def test_a_message_that_comes_while_a_member_helps_waits_until_it_is_free(services: Services, clock: Clock) -> None:
    by_hand = ByHand()
    made = separate.consumer(services, FakeWorker(), clock=clock.monotonic)
    loop = loop_of(services, made, clock, executor=by_hand)
    clock.advance(2)
    steps(loop, 1)
    assert len(by_hand.jobs) == 1, "it looks for work"
    upload = matched(services, sent(services))
    steps(loop, 3)
    assert len(by_hand.jobs) == 1
    by_hand.run_next()
    steps(loop, 2)
    by_hand.run_next()
    steps(loop, 1)
    assert status(services, upload)[0] is Status.READY
    loop._leave()


def test_an_engine_that_is_busy_while_a_member_helps_does_no_harm_and_a_bug_ends_it(
    services: Services, clock: Clock
) -> None:
    errors: list[Exception] = [Transient(), KeyError("bug")]

    def fail(context: Context) -> None:
        raise errors.pop(0)

    made = replace(separate.consumer(services, FakeWorker()), help_out=fail)
    by_hand = ByHand()
    loop = loop_of(services, made, clock, executor=by_hand)
    for _ in errors.copy():
        steps(loop, 1)
        clock.advance(2)
        loop._run_once()
        by_hand.run_next()
    with pytest.raises(KeyError):
        loop._run_once()
    loop._leave()


class NoMessages:
    def next_buffered(self, message: Message) -> None: ...

    def poll(self, timeout: float) -> Message | None:
        return None

    def pause(self, message: Message) -> None: ...

    def resume(self, message: Message) -> None: ...

    def commit(self, *messages: Message) -> None: ...

    def owns(self, message: Message) -> bool:
        return False

    def close(self) -> None: ...
