"""Several members of the group `separate`: no song waits beside an idle member, and none is separated twice."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from consumers.framework.consumer import Context, Stopped
from consumers.separation_leases import EXPIRY_SECONDS, HELP_AFTER, is_at_work_elsewhere
from demixer.domain import Separation, SeparationState, SongState, Status
from demixer.domain.errors import Cancelled, SeparationFailed, Transient
from demixer.ports import Message
from demixer.wiring import Services
from tests.consumers import consumers_of
from tests.consumers.driving import ByHand, drained, loop_of, steps
from tests.consumers.test_separate import FakeWorker, Work, quickly, raising, status
from tests.steps import an_analysis, matched, sent, separation_of, song_of
from tests.wired import Clock, data_of, published


def waiting(services: Services, number: int = 1) -> list[Separation]:
    """Songs in the queue, the first first."""
    made = [matched(services, sent(services, data=b"%d" % n), an_analysis(n)) for n in range(number)]
    return [separation_of(services, song_of(services, upload.song_id).separation_id) for upload in made]


def state(services: Services, separation: Separation) -> SeparationState:
    return separation_of(services, separation.id).state


def all_done(services: Services) -> bool:
    """The group has committed every event."""
    return services.events.lag("separate")["separations"] == 0


def claimed_by(services: Services, separation: Separation, member: str) -> None:
    assert services.separations.claim(separation_of(services, separation.id), member)


def reported(services: Services, separation: Separation) -> None:
    services.separations.report_progress(separation.id, 1, progress=0.5, seconds_left=None, device="CPU")


def context_of(member: str, stopping: bool = False) -> Context:
    return Context(lambda: stopping, member)


class HelpingMember:
    """`help_out` of one member, with its worker and clock."""

    def __init__(self, services: Services, clock: Clock, work: Work = quickly) -> None:
        self.worker = FakeWorker(work)
        self._clock = clock
        made = consumers_of.separate(services, self.worker, clock=clock.monotonic).help_out
        assert made is not None
        self._help = made

    def help_out(self, after: float = 0, stopping: bool = False) -> None:
        self._clock.advance(after)
        self._help(context_of("helper", stopping))


def test_an_idle_member_claims_the_first_that_nobody_begins(services: Services, clock: Clock) -> None:
    first, second = waiting(services, 2)
    helper = HelpingMember(services, clock)
    helper.help_out()
    helper.help_out(after=HELP_AFTER - 1)
    assert state(services, first) is SeparationState.REQUESTED, "its owner had no time to begin"
    helper.help_out(after=1)
    assert (state(services, first), state(services, second)) == (SeparationState.READY, SeparationState.REQUESTED)
    helper.help_out()
    assert state(services, second) is SeparationState.READY


def test_the_event_of_what_a_helper_has_made_is_done_without_separating_again(services: Services, clock: Clock) -> None:
    waiting(services)
    helper, owner = HelpingMember(services, clock), FakeWorker()
    helper.help_out()
    helper.help_out(after=HELP_AFTER)
    drained(services, clock, consumers_of.separate(services, owner))
    assert (len(helper.worker.folders), len(owner.folders)) == (1, 0)
    assert all_done(services)
    assert [event.type for event in published(services, "songs")].count("song.separated") == 1


def test_what_a_helper_could_not_do_is_published_again_and_left_to_the_owner_of_the_event(
    services: Services, clock: Clock
) -> None:
    (asked,) = waiting(services)
    helper = HelpingMember(services, clock, raising(SeparationFailed("worker-died")))
    helper.help_out()
    with pytest.raises(Transient):
        helper.help_out(after=HELP_AFTER)
    helper.help_out(after=HELP_AFTER)
    assert len(helper.worker.folders) == 1, "one try is enough: it may be the song"
    assert [data_of(event)["attempt"] for event in published(services, "separations")] == [1, 1]
    assert state(services, asked) is SeparationState.REQUESTED


def test_a_helper_that_stops_releases_its_separation(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)

    def until_stopped(on_progress: Callable[..., None], should_stop: Callable[[], bool]) -> None:
        if should_stop():
            raise Cancelled

    helper = HelpingMember(services, clock, until_stopped)
    helper.help_out()
    with pytest.raises(Stopped):
        helper.help_out(after=HELP_AFTER, stopping=True)
    assert state(services, asked) is SeparationState.REQUESTED
    assert len(published(services, "separations")) == 2, "its event may be used up"


def test_of_two_who_claim_the_same_one_gets_it(services: Services) -> None:
    (asked,) = waiting(services)
    seen = separation_of(services, asked.id)
    assert services.separations.claim(seen, "one") is not None
    assert services.separations.claim(seen, "two") is None


def test_the_event_of_one_that_somebody_else_reports_on_is_done(services: Services, clock: Clock) -> None:
    """After a rebalance: its former owner finishes what it has in hand."""
    (asked,) = waiting(services)
    claimed_by(services, asked, "other")
    worker = FakeWorker()
    made = consumers_of.separate(services, worker, wait=lambda seconds: reported(services, asked))
    drained(services, clock, made)
    assert all_done(services)
    assert (worker.folders, state(services, asked)) == ([], SeparationState.RUNNING)


def test_one_that_nobody_reports_on_is_separated_by_another(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)
    claimed_by(services, asked, "killed")
    waits: list[float] = []
    drained(services, clock, consumers_of.separate(services, FakeWorker(), wait=waits.append))
    assert state(services, asked) is SeparationState.READY
    assert sum(waits) == pytest.approx(EXPIRY_SECONDS)


def test_what_a_member_ran_when_it_was_killed_it_begins_again_at_once(services: Services, clock: Clock) -> None:
    (asked,) = waiting(services)
    claimed_by(services, asked, "one")
    drained(
        services, clock, consumers_of.separate(services, FakeWorker(), wait=lambda seconds: pytest.fail("it waited"))
    )
    assert state(services, asked) is SeparationState.READY
    assert separation_of(services, asked.id).lease_owner == "one"


def test_one_that_is_reclaimed_during_the_wait_is_nobody_elses(services: Services) -> None:
    (asked,) = waiting(services)
    claimed_by(services, asked, "other")
    seen = separation_of(services, asked.id)
    assert not is_at_work_elsewhere(
        services.catalogue.separations,
        context_of("one"),
        asked.id,
        lambda seconds: services.separations.reclaim_expired(seen),
    )


def test_the_wait_ends_when_the_process_should_stop(services: Services) -> None:
    (asked,) = waiting(services)
    claimed_by(services, asked, "other")
    with pytest.raises(Stopped):
        is_at_work_elsewhere(
            services.catalogue.separations, context_of("one", stopping=True), asked.id, lambda seconds: None
        )


def test_one_whose_song_is_gone_is_not_claimed(services: Services) -> None:
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
            services,
            consumers_of.separate(services, worker, clock=clock.monotonic),
            clock,
            executor=by_hand,
            member=name,
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
    assert all_done(services)
    assert [len(worker.folders) for worker in workers] == [0, 2]
    first._leave()
    second._leave()


def test_a_message_that_comes_while_a_member_helps_waits_until_it_is_free(services: Services, clock: Clock) -> None:
    by_hand = ByHand()
    made = consumers_of.separate(services, FakeWorker(), clock=clock.monotonic)
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

    made = replace(consumers_of.separate(services, FakeWorker()), help_out=fail)
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
