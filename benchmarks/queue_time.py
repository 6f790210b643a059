"""From `upload.received` to the start of its separation, on an idle system: what the system adds to the work.

    python -m benchmarks.queue_time

Each consumer is a process of its own, as in the service. Songs are sent one by one, each new, at random moments, and
only when the one before is ready. From the time in the event `upload.received` to the call of the separation worker:
that is the total. The work in it, decoding and fingerprinting the file and reading its tags meanwhile, is measured
inside the process that does it, and subtracted: events, catalogue, file store and loops add the rest. The worker is a
double that makes stems at once.

Promised: 95 of 100 wait less than 250 ms longer than the work takes, on embedded engines and on servers.
"""

import multiprocessing
import random
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click
import numpy as np

from benchmarks import stage
from benchmarks.report import TIMES_HEADER, percentile, print_table, times
from consumers.framework.consumer import Consumer
from demixer.audio import tags
from demixer.domain import Status, Tags, Upload
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.separation.separate import Made
from demixer.services import file_analyser
from demixer.wiring import Services
from tests.consumers import consumers_of
from tests.contract.kafka_worlds import with_options
from tests.steps import STEMS, stem_files
from tests.wired import a_worker

PROMISED_MS = 250.0
SEED = 20_240_601
WARM_UP = 3  # songs that do not count: groups are joined, connections opened
SECONDS = 20  # of each song
RATE = 44_100
NOTE_SECONDS = 0.25
QUIET_SECONDS = (0.2, 0.8)  # between two songs, from and to
FETCH = "fetch.wait.max.ms=10"  # the test broker sends new events when that is over; Kafka sends them as they come
PATIENCE = 60.0  # seconds for a song to come to its separation

Timings: TypeAlias = "Queue[tuple[str, float, float]]"  # what, and when it began and ended, seconds since 1970
Result = TypeVar("Result")


class Worker:
    """In place of `SeparationWorker`: says when it is called."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings

    def separate(self, source: Path, folder: Path, model: str, **callbacks: Callable[..., Any]) -> Made:
        self._timings.put(("separate", time.time(), time.time()))
        stem_files(folder)
        return Made(model=model, parameters="", device="CPU", duration=float(SECONDS), gain=1.0, stems=STEMS)

    def close(self) -> None:
        pass


def timed(what: str, work: Callable[..., Result], timings: Timings) -> Callable[..., Result]:
    def run(*arguments: Any, **options: Any) -> Result:
        began = time.time()
        result = work(*arguments, **options)
        timings.put((what, began, time.time()))
        return result

    return run


def fingerprint(services: Services, timings: Timings) -> Consumer:
    """The real one; it says how long each decode and each reading of tags took."""
    decode = timed("decode", decode_and_fingerprint, timings)
    file_analyser.decode_and_fingerprint = decode  # type: ignore[attr-defined]
    tags.read = timed("tags", tags.read, timings)
    return consumers_of.fingerprint(services)


def consume(environ: Mapping[str, str], name: str, timings: Timings) -> None:
    makers: Mapping[str, Callable[[Services], Consumer]] = {
        "fingerprint": lambda services: fingerprint(services, timings),
        "match": consumers_of.match,
        "separate": lambda services: consumers_of.separate(
            services, Worker(timings), wait=time.sleep, clock=time.monotonic
        ),
        "index": consumers_of.index,
    }
    stage.consume(environ, makers[name])


def measured(environ: Mapping[str, str], songs: int) -> list[tuple[float, float]]:
    """Total and added milliseconds of each song."""
    folder, chance = Path(environ["DATA_DIR"]), random.Random(SEED)
    timings: Timings = multiprocessing.get_context("spawn").Queue()
    names = ("fingerprint", "match", "separate", "index")
    with (
        stage.services_in(folder, **environ) as services,
        stage.beside(consume, *((environ, name, timings) for name in names)),
    ):
        services.capabilities.report(a_worker(services.clock()))
        waits = [
            wait(services, timings, song(folder / "song.wav", number), chance) for number in range(WARM_UP + songs)
        ]
    return waits[WARM_UP:]


def wait(services: Services, timings: Timings, path: Path, chance: random.Random) -> tuple[float, float]:
    time.sleep(chance.uniform(*QUIET_SECONDS))
    incoming = services.uploads.incoming()
    incoming.write(path.read_bytes())
    upload = services.uploads.receive("ana", path.name, incoming, Tags())
    services.flush()
    found = {what: (began, ended) for what, began, ended in (timings.get(timeout=PATIENCE) for _ in range(3))}
    work = max(found[each][1] for each in ("decode", "tags")) - min(found[each][0] for each in ("decode", "tags"))
    total = found["separate"][0] - upload.created_at.timestamp()
    until_ready(services, upload)
    return total * 1000, (total - work) * 1000


def until_ready(services: Services, upload: Upload) -> None:
    while True:
        current = services.catalogue.uploads.get(upload.id)
        assert current is not None
        if services.uploads.view(current).status is Status.READY:
            return
        time.sleep(0.05)


def song(path: Path, number: int) -> Path:
    """Notes at random, two at a time: each number is another recording."""
    pitches = np.random.default_rng(number).uniform(110, 1760, (2, round(SECONDS / NOTE_SECONDS)))
    phase = np.cumsum(np.repeat(pitches, round(RATE * NOTE_SECONDS), axis=1), axis=1) * 2 * np.pi / RATE
    samples = (np.sin(phase).mean(axis=0) * 20_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@click.command()
@click.option("--songs", default=40, help="On each kind of engines.")
def main(songs: int) -> None:
    stage.quiet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waits = {"embedded": measured({"DATA_DIR": f"{name}/embedded"}, songs)}
        with stage.servers_in(folder) as urls:
            events = with_options(urls["EVENTS_URL"], FETCH)
            waits["servers"] = measured({**urls, "EVENTS_URL": events, "DATA_DIR": f"{name}/beside"}, songs)
    sys.exit(0 if report(waits) else 1)


def report(waits: Mapping[str, Sequence[tuple[float, float]]]) -> bool:
    rows = [
        times(f"{engines}, {what}", values)
        for engines, found in waits.items()
        for what, values in zip(("total", "added"), zip(*found, strict=True), strict=True)
    ]
    print_table(TIMES_HEADER, rows)
    late = {name: percentile([added for _, added in found], 95) for name, found in waits.items()}
    print("\n".join(f"{name}: {ms:.0f} ms added, promised {PROMISED_MS:.0f}" for name, ms in late.items()))
    return max(late.values()) < PROMISED_MS


if __name__ == "__main__":
    main()
