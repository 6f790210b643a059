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
OTHER = "other"  # what is none of ours: labels are a bounded number
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
SPEEDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_messages = Counter(
    "demixer_messages",
    "Ends of messages: done, retry, dead, interrupted by a stop, or elsewhere, since the partition went there.",
    ["consumer", "type", "outcome"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "demixer_handling_seconds", "Of each handling.", ["consumer", "type"], buckets=SECONDS, registry=REGISTRY
)
_age = Histogram(
    "demixer_message_age_seconds",
    "From what happened until the handling of its event began.",
    ["consumer", "type"],
    buckets=SECONDS,
    registry=REGISTRY,
)
_in_hand = Gauge("demixer_messages_in_hand", "Being handled now.", ["consumer"], registry=REGISTRY)
_failures = Counter(
    "demixer_failures",
    "Uploads and separations that ended without a song or stems, as their events told.",
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
    """What is counted of handling the events of one type: seconds each took, and how old each was, in seconds, then."""

    seconds: Histogram
    age: Histogram


@cache
def handling(consumer: str, event_type: str) -> Handling:
    """Of a bounded number of types; looking one up takes longer than counting."""
    kind = _known(event_type)
    return Handling(_seconds.labels(consumer, kind), _age.labels(consumer, kind))


def handled(event: Event) -> None:
    """Counts the failure that the event tells of, if it does."""
    if isinstance(event.data, UploadRejected | SongFailed):
        code = event.data.code
        _failures.labels(_known(event.type), code if code in MESSAGES else OTHER).inc()


def in_hand(consumer: str, count: Callable[[], int]) -> None:
    """`count` is asked whenever Prometheus asks."""
    _in_hand.labels(consumer).set_function(count)


def ended(consumer: str, outcome: str, *types: str) -> None:
    """Messages, by the types of their events."""
    for kind, count in Counts(types).items():
        _messages.labels(consumer, _known(kind), outcome).inc(count)


def separated(model: str, device: str, *, seconds: float, audio: float) -> None:
    """`audio`: seconds of sound."""
    _speed.labels(model, device).observe(seconds / audio)


def told() -> tuple[str, bytes]:
    """The media type, and what Prometheus reads."""
    return CONTENT_TYPE, exposition(REGISTRY)


def _known(kind: str) -> str:
    return kind if kind in TYPES else OTHER
