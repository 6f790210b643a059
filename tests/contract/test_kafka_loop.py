"""The loop of the consumers on Kafka: another member joins while long work is in progress."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from consumers.framework.consumer import Consumer
from consumers.framework.loop import Loop
from consumers.framework.task_slots import Threads
from demixer import domain
from demixer.adapters.kafka.subscriptions import Membership
from demixer.wiring import Services
from tests.consumers.driving import publish_bytes
from tests.consumers.test_loop import an_event
from tests.contract.events import PATIENCE
from tests.contract.kafka_worlds import SHORT_TIMEOUTS, with_options
from tests.e2e.service import wait_for
from tests.servers import Engine
from tests.wired import services_in

TOO_LONG = 4.5  # seconds: a member that polls no more is given up after 4
SONGS = {f"song {number}" for number in range(16)}

Commits = list[tuple[Membership, int]]  # which member, and of which partition

pytestmark = pytest.mark.slow


@pytest.fixture
def services(kafka: Engine, tmp_path: Path) -> Iterator[Services]:
    with services_in(tmp_path, events_url=with_options(kafka.fresh(), SHORT_TIMEOUTS)) as opened:
        for song in sorted(SONGS):
            publish_bytes(opened, "uploads", an_event(subject=song), key=song)
        yield opened


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    """Those that the brokers have taken."""
    noted: Commits = []
    committed = Membership._commit_offsets

    def note(member: Membership, partitions: Any) -> Any:
        errors = committed(member, partitions)
        pairs = zip(partitions, errors, strict=True)
        noted.extend((member, one.partition) for one, error in pairs if error is None and one.offset > 0)
        return errors

    monkeypatch.setattr(Membership, "_commit_offsets", note)
    return noted


class LongWork:
    """A member that works on a song of each of its partitions, until all may end."""

    def __init__(self, services: Services, member: str, may_end: Event) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self._may_end = may_end
        consumer = Consumer(name="test", topics=("uploads",), handle=self._handle)
        self.loop = Loop(
            consumer,
            log=services.events,
            flush=services.flush,
            counts_dir=services.settings.data_dir / "deliveries",
            now=services.clock,
            member=member,
            executor=Threads(4, "test"),
        )

    def _handle(self, event: domain.Event, context: object) -> None:
        self.begun.append(event.subject)
        assert self._may_end.wait(2 * PATIENCE)
        self.done.append(event.subject)

    def in_progress(self, *, ours: bool) -> dict[int, str]:
        """By partition: those of partitions that are still this member's, or that are not any more."""
        assert self.loop._slots is not None
        messages = self.loop._slots.running
        return {each.partition: each.key for each in messages if self.loop._subscription.owns(each) is ours}

    def committed(self, commits: Commits) -> set[int]:
        return {partition for member, partition in commits if member is self.loop._subscription}


@contextmanager
def running(loop: Loop) -> Iterator[None]:
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(loop.run)
        try:
            yield
        finally:
            loop.stop()
    run.result()


def test_a_member_that_joins_beside_long_work_gets_half_of_it_and_the_owner_of_each_message_commits_it(
    services: Services, commits: Commits
) -> None:
    may_end = Event()
    one, two = (LongWork(services, member, may_end) for member in ("one", "two"))
    with running(one.loop):
        wait_for("a song of each partition is in progress", lambda: len(one.begun) == 4, seconds=PATIENCE)
        too_long = time.monotonic() + TOO_LONG
        with running(two.loop):
            wait_for("half of them moved", lambda: len(two.begun) == 2, seconds=PATIENCE)
            wait_for("a member that does not poll were gone", lambda: time.monotonic() > too_long, seconds=PATIENCE)
            kept, moved = one.in_progress(ours=True), one.in_progress(ours=False)
            assert (len(kept), len(moved), commits) == (2, 2, [])
            may_end.set()
            wait_for("nothing is left", lambda: services.events.lag("test") == {"uploads": 0}, seconds=PATIENCE)
    assert {*kept.values(), *moved.values()} <= set(one.done), "work in progress is finished"
    assert set(moved.values()) == set(two.begun[:2]), "its new owner gets it, too"
    assert {*one.done, *two.done} == SONGS
    assert (one.committed(commits), two.committed(commits)) == (set(kept), set(moved))
