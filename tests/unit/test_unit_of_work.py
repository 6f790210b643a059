"""Changes are saved with their events, and the events get from the outbox to the log, by whichever process."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import pytest

from demixer.domain import Event, Failure, Tags, Upload, UploadState, events
from demixer.domain.errors import Conflict, NotFound, Transient
from demixer.ports import EventLog, Outbox, Record
from demixer.services import unit_of_work
from demixer.services.publishing import publish, record
from demixer.services.unit_of_work import ABANDONED_SECONDS, ATTEMPTS, Decision, OutboxRelay, UnitOfWork
from demixer.wiring import Services, build_services
from schemas.errors import BadEvent
from tests.steps import an_analysis, matched, sent, without_log
from tests.wired import Clock, published

# --- load, decide, save ---------------------------------------------------------------------------------------------


@dataclass
class Counter:
    """A store of one number, in which `rivals` others save between our load and our save."""

    value: int | None = 0
    rivals: int = 0
    saves: int = 0

    def get(self, id_: str, /) -> int | None:
        return self.value

    def save(self, value: int, events: object = (), /) -> int:
        assert self.value is not None
        if self.rivals:
            self.rivals -= 1
            self.value += 100
            raise Conflict
        self.saves += 1
        self.value = value
        return value


def one_more(value: int) -> Decision[int]:
    return value + 1, []


@pytest.fixture
def work() -> UnitOfWork:
    """Without engines: for changes that have no events."""
    return UnitOfWork(cast(Outbox, None), cast(EventLog, None))


def test_it_decides_anew_on_what_a_quicker_one_saved(work: UnitOfWork) -> None:
    store = Counter(rivals=3)
    assert work.update(store, "it", one_more) == 301


def test_it_saves_nothing_when_there_is_nothing_to_change(work: UnitOfWork) -> None:
    store = Counter(value=7)
    assert work.update(store, "it", lambda value: None) == 7
    assert store.saves == 0


def test_it_says_what_is_missing(work: UnitOfWork) -> None:
    with pytest.raises(NotFound) as caught:
        work.update(Counter(value=None), "it", one_more, missing="no-such-song")
    assert caught.value.code == "no-such-song"


def test_it_gives_up_when_it_loses_every_race(work: UnitOfWork) -> None:
    with pytest.raises(Conflict):
        work.update(Counter(rivals=ATTEMPTS), "it", one_more)


# --- what this process saved ----------------------------------------------------------------------------------------


class FlakyLog:
    """The log of `services`, while it is not `away`. `tries` counts."""

    def __init__(self, services: Services) -> None:
        self._log, self.away, self.tries = services.events, False, 0

    def publish(self, records: Sequence[Record]) -> None:
        self.tries += 1
        if self.away:
            raise Transient
        self._log.publish(records)


class SlowLog:
    """Takes records only when it is told to `go_on`."""

    def __init__(self, services: Services) -> None:
        self._log = services.events
        self.busy, self.go_on = threading.Event(), threading.Event()

    def publish(self, records: Sequence[Record]) -> None:
        self.busy.set()
        assert self.go_on.wait(30)
        self._log.publish(records)


def received(services: Services, number: int) -> Upload:
    """Saved, and not published yet."""
    incoming = services.uploads.incoming()
    incoming.write(f"song {number}".encode())
    return services.uploads.receive("ana", "song.mp3", incoming, Tags())


def subjects(found: Sequence[Event]) -> list[str]:
    return [event.subject for event in found]


def test_events_wait_in_the_outbox_until_they_are_flushed_and_are_published_once(services: Services) -> None:
    upload = received(services, 1)
    assert (published(services), subjects(services.catalogue.outbox.pending())) == ([], [upload.id])
    for _ in range(2):
        services.flush()
    assert subjects(published(services)) == [upload.id]
    assert services.catalogue.outbox.pending() == []


def test_a_process_publishes_what_it_saved_itself_and_nothing_else(services: Services) -> None:
    another = build_services(services.adapters)
    theirs, ours = received(another, 1), received(services, 2)
    services.flush()
    assert subjects(published(services)) == [ours.id]
    assert subjects(services.catalogue.outbox.pending()) == [theirs.id]
    another.flush()
    assert sorted(subjects(published(services))) == sorted([ours.id, theirs.id])


def test_a_change_that_was_not_saved_has_no_event(services: Services) -> None:
    upload = sent(services)
    stale = replace(upload, version=upload.version + 7, attempt=2)
    with pytest.raises(Conflict):
        services.work.save(services.catalogue.uploads, stale, [events.upload_received(stale)])
    services.flush()
    assert len(published(services)) == 1
    assert services.catalogue.outbox.pending() == []


def test_events_keep_the_order_in_which_they_were_saved(services: Services) -> None:
    upload = received(services, 1)
    for _ in range(5):
        services.upload_analyses.reject(current(services, upload), Failure("storage-full"), keep_file=True)
        services.uploads.retry("ana", upload.id)
    services.flush()
    order = [event.type for event in published(services, "uploads")]
    assert order == ["upload.received", *["upload.rejected", "upload.received"] * 5]


def current(services: Services, upload: Upload) -> Upload:
    found = services.catalogue.uploads.get(upload.id)
    assert found is not None
    return found


def test_while_the_log_is_away_nobody_who_saves_notices_and_afterwards_all_is_published_in_order(
    services: Services,
) -> None:
    log = FlakyLog(services)
    flaky = build_services(replace(services.adapters, events=cast(EventLog, log)))
    log.away = True
    upload = received(flaky, 1)
    flaky.flush()
    flaky.uploads.cancel("ana", upload.id)
    flaky.flush()
    assert (published(services), len(services.catalogue.outbox.pending())) == ([], 2)
    log.away = False
    flaky.uploads.delete("ana", upload.id)
    for _ in range(2):
        flaky.flush()
    assert [event.type for event in published(services, "uploads")] == ["upload.received"]
    assert [event.type for event in published(services, "matching")] == ["upload.withdrawn", "upload.withdrawn"]
    assert services.catalogue.outbox.pending() == []


def test_a_request_that_saved_nothing_does_not_wait_for_a_log_that_is_away(services: Services) -> None:
    log = FlakyLog(services)
    flaky = build_services(replace(services.adapters, events=cast(EventLog, log)))
    log.away = True
    received(flaky, 1)
    for _ in range(3):
        flaky.flush()
    assert log.tries == 1
    assert services.relay.publish_abandoned(after=0) == 1


def test_while_one_thread_publishes_the_others_save_and_do_not_wait_for_it_for_long(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "FLUSH_SECONDS", 0.01)
    log = SlowLog(services)
    slow = build_services(replace(services.adapters, events=cast(EventLog, log)))
    first = received(slow, 1)
    publishing = threading.Thread(target=slow.flush)
    publishing.start()
    assert log.busy.wait(30)
    second = received(slow, 2)
    slow.flush()
    assert published(services) == []
    log.go_on.set()
    publishing.join()
    assert subjects(published(services)) == [first.id]
    slow.flush()
    assert sorted(subjects(published(services))) == sorted([first.id, second.id])


def test_events_that_an_error_kept_from_the_log_are_not_lost(services: Services) -> None:
    class Broken:
        def publish(self, records: Sequence[Record]) -> None:
            raise RuntimeError("bug")

    broken = build_services(replace(services.adapters, events=cast(EventLog, Broken())))
    upload = received(broken, 1)
    with pytest.raises(RuntimeError):
        broken.flush()
    assert subjects(services.catalogue.outbox.pending()) == [upload.id]


def test_more_than_a_process_can_keep_in_mind_is_left_to_the_relay(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "OWN_LIMIT", 2)
    uploads = [received(services, number) for number in range(3)]
    services.flush()
    assert sorted(subjects(published(services))) == sorted([uploads[1].id, uploads[2].id])
    assert services.relay.publish_abandoned(after=0) == 1
    assert sorted(subjects(published(services))) == sorted(upload.id for upload in uploads)


def test_eight_threads_publish_one_record_for_each_event(services: Services) -> None:
    start = threading.Barrier(8)

    def save_and_flush(thread: int) -> list[str]:
        start.wait()
        saved = []
        for number in range(6):
            saved.append(received(services, 100 * thread + number).id)
            services.flush()
        return saved

    with ThreadPoolExecutor(8) as pool:
        saved = [upload_id for ids in pool.map(save_and_flush, range(8)) for upload_id in ids]
    assert sorted(subjects(published(services))) == sorted(saved)
    assert services.catalogue.outbox.pending() == []


# --- what is left over ----------------------------------------------------------------------------------------------


def left_over(services: Services, number: int) -> Upload:
    """Saved by a process that was killed before it published."""
    return sent(without_log(services), data=f"song {number}".encode())


def relay_of(services: Services, clock: Clock) -> OutboxRelay:
    return OutboxRelay(services.catalogue.outbox, services.events, clock.monotonic)


def test_what_is_left_over_is_published_once_and_only_after_its_seconds(services: Services, clock: Clock) -> None:
    relay, upload = relay_of(services, clock), left_over(services, 1)
    assert relay.publish_abandoned() == 0
    clock.advance(ABANDONED_SECONDS - 0.1)
    assert (relay.publish_abandoned(), published(services)) == (0, [])
    clock.advance(0.1)
    assert (relay.publish_abandoned(), subjects(published(services))) == (1, [upload.id])
    clock.advance(60)
    assert (relay.publish_abandoned(), len(published(services))) == (0, 1)


def test_what_its_own_process_publishes_meanwhile_is_not_published_again(services: Services, clock: Clock) -> None:
    relay, upload = relay_of(services, clock), received(services, 1)
    relay.publish_abandoned()
    services.flush()
    clock.advance(60)
    assert (relay.publish_abandoned(), subjects(published(services))) == (0, [upload.id])


def test_the_seconds_of_each_event_count_from_when_it_was_first_seen(services: Services, clock: Clock) -> None:
    relay, first = relay_of(services, clock), left_over(services, 1)
    relay.publish_abandoned()
    clock.advance(ABANDONED_SECONDS)
    left_over(services, 2)
    assert (relay.publish_abandoned(), subjects(published(services))) == (1, [first.id])


def test_what_is_left_over_is_published_in_the_order_it_was_saved(services: Services) -> None:
    killed = without_log(services)
    upload = left_over(services, 1)
    for attempt in (1, 2):
        killed.upload_analyses.give_up(upload.id, attempt, Failure("storage-full"))
        killed.uploads.revive(upload.id)
    assert published(services) == []
    assert services.relay.publish_abandoned(after=0) == 5
    order = [event.type for event in published(services, "uploads")]
    assert order == ["upload.received", *["upload.rejected", "upload.received"] * 2]
    assert services.relay.publish_abandoned(after=0) == 0


def test_more_than_one_page_is_published(services: Services) -> None:
    for number in range(105):
        left_over(services, number)
    assert services.relay.publish_abandoned(after=0) == 105
    assert len(published(services)) == 105


def test_a_relay_that_finds_the_log_away_loses_nothing(services: Services) -> None:
    upload = left_over(services, 1)
    with pytest.raises(Transient):
        without_log(services).relay.publish_abandoned(after=0)
    assert subjects(services.catalogue.outbox.pending()) == [upload.id]
    services.relay.publish_abandoned(after=0)
    assert subjects(published(services)) == [upload.id]


def test_a_process_killed_between_publishing_and_noting_it_publishes_the_same_event_again(services: Services) -> None:
    left_over(services, 1)
    publish(services.events, services.catalogue.outbox.pending())  # killed here
    services.relay.publish_abandoned(after=0)
    first, second = published(services)
    assert first == second


def test_a_killed_process_delays_an_upload_but_changes_nothing_else(services: Services) -> None:
    upload = left_over(services, 1)
    services.relay.publish_abandoned(after=0)
    assert matched(services, upload, an_analysis()).state is UploadState.JOINED


# --- as records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("param", ["\ud800", object(), {1, 2}])
def test_an_event_that_cannot_be_written_down_is_refused_before_it_is_stored(services: Services, param: object) -> None:
    upload = sent(services)
    with pytest.raises(BadEvent):
        events.upload_rejected(upload, Failure("too-long", {"max_minutes": param}), services.clock())


def test_a_record_names_its_type_and_goes_under_the_key_of_its_subject(services: Services) -> None:
    upload = sent(services)
    made = record(events.upload_received(upload))
    assert (made.topic, made.key) == ("uploads", upload.id)
    assert made.headers["type"] == "upload.received"
