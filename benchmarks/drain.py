"""10,000 separations that were asked for, drained by 1, 2 and 4 consumer processes.

    python -m benchmarks.drain

Kafka, a topic of eight partitions, one group; every process runs the loop of the service. The separation is faked, and
no other server works beside the broker: those of the tests share the cores with the consumers, and a catalogue on one
of them would be what is measured. The fake is once a piece of computing, which more processes than cores cannot speed
up, and once a wait, as for a device that each process has of its own. Groups are joined, nothing is handled
while events are published, and all of them are in the log before the clock starts.

The baseline is the same work without any events, by as many processes, right before and after: what the machine, with
all that runs on it, lets them do. Promised: one more process helps ours at least 80 % as much as it helps those.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_int
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

import click

from benchmarks import stage
from benchmarks.report import print_table
from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.services import publishing
from demixer.wiring import Services, utc_now
from schemas.events import SeparationRequested
from tests.e2e.service import wait_for

PROMISED = 0.80  # of what more processes help without events
CONSUMERS = (1, 2, 4)
AT_ONCE = 1000  # events of one publish
COMPUTED = 2500  # rounds of a hash: about a millisecond
WAITED = 0.002  # seconds
HELD_SECONDS = 0.01  # between two looks
BARE_SECONDS = 2.0
WARM_UP, WARM_UP_SECONDS = 50, 0.5  # events before the clock starts, so many so often
PATIENCE = 300.0  # seconds

KINDS: Mapping[str, Callable[[], object]] = {
    "computing": lambda: hashlib.pbkdf2_hmac("sha256", b"song", b"stem", COMPUTED),
    "waiting": lambda: time.sleep(WAITED),
}


@dataclass(frozen=True, slots=True)
class Drained:
    kind: str
    consumers: int
    rate: float  # events a second
    bare: float  # the same work without events


def consume(environ: Mapping[str, str], kind: str, held: Any, handled: Any) -> None:
    """One process; `handled` counts for the others to see. While `held` is set it handles nothing."""

    def handle(event: Event, context: Context) -> None:
        while held.value:
            time.sleep(HELD_SECONDS)
        KINDS[kind]()
        handled.value += 1

    stage.consume(environ, lambda services: Consumer(name="separate", topics=("separations",), handle=handle))


def work(kind: str, handled: Any) -> None:
    while True:
        KINDS[kind]()
        handled.value += 1


def measured(environ: Mapping[str, str], kind: str, consumers: int, count: int) -> Drained:
    before = bare(kind, consumers)
    rate = drained(environ, kind, consumers, count)
    return Drained(kind, consumers, rate, statistics.mean((before, bare(kind, consumers))))


def bare(kind: str, processes: int) -> float:
    counts = counters(processes)
    with stage.beside(work, *((kind, handled) for handled in counts)):
        wait_for("all to be at work", lambda: all(handled.value for handled in counts), seconds=PATIENCE)
        began, before = time.perf_counter(), total(counts)
        time.sleep(BARE_SECONDS)
        return (total(counts) - before) / (time.perf_counter() - began)


def drained(environ: Mapping[str, str], kind: str, consumers: int, count: int) -> float:
    counts, held = counters(consumers), RawValue(c_int, 0)
    with (
        stage.services_in(Path(environ["DATA_DIR"]), **environ) as services,
        stage.beside(consume, *((environ, kind, held, handled) for handled in counts)),
    ):
        before = all_at_work(services, counts)
        held.value = 1
        publish(services, before, count)
        held.value, began = 0, time.perf_counter()
        wait_for("the last event", lambda: total(counts) >= before + count, seconds=PATIENCE)
        return count / (time.perf_counter() - began)


def all_at_work(services: Services, counts: Sequence[Any]) -> int:
    """Publish until each process has got something, and all of it is done. Returns how many that took."""
    published = 0
    while not all(handled.value for handled in counts):
        publish(services, published, WARM_UP)
        published += WARM_UP
        time.sleep(WARM_UP_SECONDS)
    wait_for("the first events", lambda: total(counts) >= published, seconds=PATIENCE)
    return total(counts)


def counters(count: int) -> Sequence[Any]:
    return [RawValue(c_int, 0) for _ in range(count)]


def total(counts: Sequence[Any]) -> int:
    return sum(handled.value for handled in counts)


def publish(services: Services, first: int, count: int) -> None:
    for start in range(first, first + count, AT_ONCE):
        publishing.publish(services.events, [requested(n) for n in range(start, min(start + AT_ONCE, first + count))])


def requested(number: int) -> Event:
    song = hashlib.sha256(str(number).encode()).hexdigest()[:32]
    data = SeparationRequested(separation_id=song, song_id=song, model="spleeter-2stems", attempt=1)
    return Event(id=song, subject=song, time=utc_now(), data=data)


@click.command()
@click.option("--events", "count", default=10_000)
def main(count: int) -> None:
    stage.quiet()
    with tempfile.TemporaryDirectory() as name, stage.kafka(Path(name)) as fresh:
        found = [
            measured({"DATA_DIR": f"{name}/{kind}-{consumers}", "EVENTS_URL": fresh()}, kind, consumers, count)
            for kind in KINDS
            for consumers in CONSUMERS
        ]
    least = report(found)
    sys.exit(0 if least >= PROMISED else f"more processes help {least:.0%} of what they could, less than promised")


def report(found: Sequence[Drained]) -> float:
    """The least share."""
    one = {each.kind: each for each in found if each.consumers == 1}
    rows = [_row(each, one[each.kind]) for each in found]
    print_table(("", "consumers", "events/s", "times one", "without events/s", "times one", "share"), rows)
    return min(share for *_, share in rows)


def _row(each: Drained, one: Drained) -> tuple[str, int, int, float, int, float, float]:
    ours, theirs = each.rate / one.rate, each.bare / one.bare
    return each.kind, each.consumers, round(each.rate), ours, round(each.bare), theirs, ours / theirs


if __name__ == "__main__":
    main()
