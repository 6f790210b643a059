"""What waits where, read from the engines when Prometheus asks: the same from whichever process is asked."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from demixer.domain import SeparationState
from demixer.domain.errors import DemixerError
from demixer.ports import Catalogue, EventLog
from demixer.services.health import Health
from schemas.topics import readers

OUTBOX_LIMIT = 1000  # events counted at most: more than a few is wrong already
CONTENT_TYPE = CONTENT_TYPE_LATEST

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, with the time it began: nobody asks for it


class Inventory(Collector):
    """An engine that does not answer leaves its gauges out, and is told by `demixer_engine_up`."""

    def __init__(self, catalogue: Catalogue, events: EventLog, health: Health, clock: Callable[[], datetime]) -> None:
        self._catalogue, self._events, self._health, self._clock = catalogue, events, health, clock

    def describe(self) -> Iterable[Metric]:
        """Nothing: by default a registry would collect once to find out the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        engines = self._health.report().engines
        up = GaugeMetricFamily("demixer_engine_up", "Whether the engine answers.", labels=["engine"])
        for name, answers in engines.items():
            up.add_metric([name], float(answers))
        yield up
        if engines["events"]:
            yield from _where_it_answers(self._lag)
        if engines["catalogue"]:
            yield from _where_it_answers(self._queue)

    def _lag(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "demixer_consumer_lag", "Records that the group has not committed yet.", labels=["group", "topic"]
        )
        for group in readers():
            for topic, count in self._events.lag(group).items():
                lag.add_metric([group, topic], count)
        yield lag

    def _queue(self) -> Iterator[Metric]:
        catalogue, now = self._catalogue, self._clock()
        count, since = catalogue.separations.queue_length()
        running = catalogue.separations.in_state([SeparationState.RUNNING])
        oldest = (now - since).total_seconds() if since else 0.0
        pending = len(catalogue.outbox.pending(OUTBOX_LIMIT))
        yield _gauge("demixer_separations_waiting", "Separations asked for and not begun.", count)
        yield _gauge("demixer_separations_running", "Separations at work.", len(running))
        yield _gauge("demixer_separations_oldest_wait_seconds", "How long the first of the queue waits.", oldest)
        yield _gauge("demixer_outbox_events", f"Events not published yet, {OUTBOX_LIMIT} at most.", pending)


def exposition(registry: CollectorRegistry) -> bytes:
    """As Prometheus reads it: of type `CONTENT_TYPE`."""
    return generate_latest(registry)


def _where_it_answers(read: Callable[[], Iterator[Metric]]) -> list[Metric]:
    """It may have gone since it was asked how it is."""
    try:
        return list(read())
    except DemixerError:
        return []


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
