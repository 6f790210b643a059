"""Events through the loop of our consumers, beside bare confluent-kafka loops on the same broker.

    python -m benchmarks.events

Ours is what a consumer process runs: a group member, the envelope checked against its schema, deliveries counted, the
outbox looked at (in SQLite), metrics, and commits after the effects, at most 0.2 s late. The bare loops poll, parse the
JSON and commit. All get the same 1 KB events from one topic with four partitions, in a group of their own, and do
nothing with them; they take turns.

Promised: 70 % of the bare loop that commits as seldom as ours. The others lie between a commit after each event, the
plainest way to keep our promise, and what librdkafka does where nobody minds.
"""

import json
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import click
from confluent_kafka import Consumer as Client
from confluent_kafka import Message

from benchmarks import stage
from benchmarks.report import print_table
from consumers.framework.commits import BATCH_SECONDS
from consumers.framework.consumer import Consumer, Context
from consumers.registry import build_loop
from demixer.adapters.kafka.client import cluster_of
from demixer.domain import Event
from demixer.ports import Record
from demixer.services import publishing
from demixer.wiring import Services, utc_now
from schemas import codec
from schemas.events import SongMatched

PROMISED = 0.70  # of the baseline
SIZE = 1024  # bytes of an event
TOPIC = "songs"  # four partitions
AT_ONCE = 1000  # events of one publish
WAIT_SECONDS = 20.0  # for the next event: all are there

Rates = Mapping[str, Sequence[float]]


class Stopwatch:
    """Events per second from the first to the last of `count`, as they are handled."""

    def __init__(self, count: int) -> None:
        self._count, self._seen = count, 0
        self._began = self._ended = 0.0

    def last(self) -> bool:
        """Note one; whether it was the last."""
        self._ended = perf_counter()
        self._began = self._began or self._ended
        self._seen += 1
        return self._seen >= self._count

    @property
    def rate(self) -> float:
        return (self._count - 1) / (self._ended - self._began)


def ours(services: Services, count: int) -> float:
    watch = Stopwatch(count)

    def handle(event: Event, context: Context) -> None:
        if watch.last():
            loop.stop()

    consumer = Consumer(name=uuid.uuid4().hex, topics=(TOPIC,), handle=handle)
    loop = build_loop(services, consumer, "benchmark")
    loop.run()
    return watch.rate


Decode = Callable[[bytes], object]
Commit = Callable[[Client, Message], object]


def bare(commit: Commit, decode: Decode = json.loads, *, auto: bool = False) -> Callable[[Services, int], float]:
    def run(services: Services, count: int) -> float:
        watch = Stopwatch(count)
        with client_of(services.settings.events_url, auto=auto) as client:
            message = received(client)
            decode(message.value() or b"")
            while not watch.last():
                commit(client, message)
                message = received(client)
                decode(message.value() or b"")
        return watch.rate

    return run


def received(client: Client) -> Message:
    message = client.poll(WAIT_SECONDS)
    assert message is not None
    assert message.error() is None, message.error()
    return message


def at_once(client: Client, message: Message) -> None:
    client.commit(message=message, asynchronous=False)


def unanswered(client: Client, message: Message) -> None:
    client.commit(message=message, asynchronous=True)


def now_and_then() -> Commit:
    """As ours: what was handed out up to now, when the last commit was a while ago."""
    last = 0.0

    def commit(client: Client, message: Message) -> None:
        nonlocal last
        if perf_counter() - last >= BATCH_SECONDS:
            client.commit(asynchronous=False)
            last = perf_counter()

    return commit


def never(client: Client, message: Message) -> None:
    """librdkafka commits every five seconds what it has handed out, whether its effects are stored or not."""


@contextmanager
def client_of(url: str, *, auto: bool) -> Iterator[Client]:
    cluster = cluster_of(url)
    fixed = {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", "enable.auto.commit": auto, "log_level": 0}
    client = Client({**cluster.properties, **fixed})
    client.subscribe([cluster.name(TOPIC)])
    try:
        yield client
    finally:
        client.close()


LOOPS: Mapping[str, Callable[[Services, int], float]] = {
    "ours": ours,
    "bare, commits as ours (baseline)": bare(now_and_then()),
    "bare, checked by our schemas, commits as ours": bare(now_and_then(), codec.decode),
    "bare, auto-commit": bare(never, auto=True),
    "bare, a commit after each, not awaited": bare(unanswered),
    "bare, a commit after each": bare(at_once),
}
OURS, BASELINE, *_ = LOOPS


@click.command()
@click.option("--events", "count", default=20_000, help="Of each loop and round.")
@click.option("--rounds", default=7)
def main(count: int, rounds: int) -> None:
    stage.quiet()
    with (
        tempfile.TemporaryDirectory() as name,
        stage.kafka(Path(name)) as fresh,
        stage.services_in(Path(name) / "data", EVENTS_URL=fresh()) as services,
    ):
        publish(services, count)
        taken = [{name: run(services, count) for name, run in LOOPS.items()} for _ in range(rounds)]
    rates = {name: [each[name] for each in taken] for name in LOOPS}
    report(rates)
    share = statistics.median(ratios(rates, BASELINE))
    sys.exit(0 if share >= PROMISED else f"ours is {share:.0%} of the baseline, less than {PROMISED:.0%}")


def publish(services: Services, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        services.events.publish([padded(start + number) for number in range(min(AT_ONCE, count - start))])


def padded(number: int) -> Record:
    """`song.matched`, with an optional field of a later version that makes it 1 KB."""
    song = f"{number:032x}"
    data = SongMatched(song_id=song, upload_id=song, match="file")
    record = publishing.record(Event(id=song, subject=song, time=utc_now(), data=data))
    short = with_padding(record.value, "")
    return record._replace(value=with_padding(record.value, "x" * (SIZE - len(short))))


def with_padding(value: bytes, padding: str) -> bytes:
    envelope = json.loads(value)
    envelope["data"]["padding"] = padding
    return json.dumps(envelope, separators=(",", ":")).encode()


def ratios(rates: Rates, name: str) -> list[float]:
    """Of ours to the other, round by round."""
    return [mine / theirs for mine, theirs in zip(rates[OURS], rates[name], strict=True)]


def report(rates: Rates) -> None:
    rows = [
        (name, round(statistics.median(found)), round(max(found)), statistics.median(ratios(rates, name)))
        for name, found in rates.items()
    ]
    print_table(("1 KB events per second", "median", "best round", "ours to it"), rows)


if __name__ == "__main__":
    main()
