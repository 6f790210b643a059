"""What a consumer process counts; served by `consumers.status`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from demixer.domain import Event
from demixer.messages import MESSAGES
from demixer.metrics import CONTENT_TYPE, exposition
from demixer.ports import Message
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


@contextmanager
def handling(consumer: str, event: Event, age: float) -> Iterator[None]:
    """`age` in seconds."""
    kind = _known(event.type)
    _child(_age, consumer, kind).observe(max(0.0, age))
    with _child(_in_hand, consumer).track_inprogress(), _child(_seconds, consumer, kind).time():
        yield
    if "code" in event.data:
        code = event.data["code"]
        _failures.labels(kind, code if code in MESSAGES else OTHER).inc()


def ended(consumer: str, message: Message, outcome: str) -> None:
    _child(_messages, consumer, _known(message.headers.get("type", "")), outcome).inc()


def separated(model: str, device: str, *, seconds: float, audio: float) -> None:
    """`audio`: seconds of sound."""
    _speed.labels(model, device).observe(seconds / audio)


def told() -> tuple[str, bytes]:
    """The media type, and what Prometheus reads."""
    return CONTENT_TYPE, exposition(REGISTRY)


@cache
def _child(metric: Any, *labels: str) -> Any:
    """Of a bounded number of labels; looking one up takes longer than counting."""
    return metric.labels(*labels)


def _known(kind: str) -> str:
    return kind if kind in TYPES else OTHER
