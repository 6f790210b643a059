"""What a consumer process counts; served by `consumers.framework.status`."""

from collections import Counter as Counts
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from demixer.domain import Event
from demixer.domain.messages import MESSAGES
from demixer.services.metrics import CONTENT_TYPE, exposition
from schemas.events import SongFailed, UploadRejected
from schemas.topics import all_topics

TYPES = frozenset(name for topic in all_topics().values() for name in topic.events)
FAILURES = (UploadRejected, SongFailed)
OTHER = "other"  # any type or code that is none of ours: the number of labels is bounded
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
SPEEDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_messages = Counter(
    "demixer_messages",
    "Outcomes of messages: done, retry, dead, interrupted by a stop, or elsewhere (another member has the partition).",
    ["consumer", "type", "outcome"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "demixer_handling_seconds", "How long handling took.", ["consumer", "type"], buckets=SECONDS, registry=REGISTRY
)
_age = Histogram(
    "demixer_message_age_seconds",
    "Between what happened and the start of handling its event.",
    ["consumer", "type"],
    buckets=SECONDS,
    registry=REGISTRY,
)
_in_progress = Gauge("demixer_messages_in_hand", "Being handled now.", ["consumer"], registry=REGISTRY)
_failures = Counter(
    "demixer_failures",
    "Uploads and separations that ended without a song or stems, by their events.",
    ["type", "code"],
    registry=REGISTRY,
)
_speed = Histogram(
    "demixer_separation_seconds_per_audio_second",
    "How long a separation took for each second of sound, from the first byte read to the last stored.",
    ["model", "device"],
    buckets=SPEEDS,
    registry=REGISTRY,
)


class Handling(NamedTuple):
    """The histograms of handling events of one type: seconds each took, and seconds since each happened."""

    seconds: Histogram
    age: Histogram


@cache
def handling(consumer: str, event_type: str) -> Handling:
    """Cached for a bounded number of types: finding the labels takes longer than counting."""
    label = _label(event_type)
    return Handling(_seconds.labels(consumer, label), _age.labels(consumer, label))


def count_failure(event: Event) -> None:
    """Count the failure that the event tells of, if it tells of one."""
    data = event.data
    if isinstance(data, FAILURES):
        _failures.labels(_label(event.type), data.code if data.code in MESSAGES else OTHER).inc()


def count_outcome(consumer: str, outcome: str, *types: str) -> None:
    """Count messages, by the types of their events."""
    for event_type, count in Counts(types).items():
        _messages.labels(consumer, _label(event_type), outcome).inc(count)


def watch_in_progress(consumer: str, count: Callable[[], int]) -> None:
    """`count` is called whenever Prometheus asks."""
    _in_progress.labels(consumer).set_function(count)


def separated(model: str, device: str, *, seconds: float, audio: float) -> None:
    """`audio`: seconds of sound."""
    _speed.labels(model, device).observe(seconds / audio)


def rendered() -> tuple[str, bytes]:
    """The media type, and what Prometheus reads."""
    return CONTENT_TYPE, exposition(REGISTRY)


def _label(event_type: str) -> str:
    return event_type if event_type in TYPES else OTHER
