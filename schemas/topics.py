"""The topics of `topics.yaml`: which event goes where, and how many partitions a topic has."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

DEAD = ".dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    name: str
    key: str  # what its records are keyed by, in words
    partitions: int
    events: tuple[str, ...]
    retention_hours: float | None = None


@cache
def all_topics() -> dict[str, Topic]:
    described = yaml.safe_load(files("schemas").joinpath("topics.yaml").read_text("utf-8"))
    return {
        name: Topic(name=name, **{**fields, "events": tuple(fields["events"])}) for name, fields in described.items()
    }


@cache
def topic_of(event_type: str) -> str:
    """The topic that carries `event_type`. Raises `KeyError` for a type that no topic lists."""
    for topic in all_topics().values():
        if event_type in topic.events:
            return topic.name
    raise KeyError(event_type)


def partitions(topic: str) -> int:
    """How many partitions `topic` has. Dead-letter topics, and unknown ones, have one."""
    known = all_topics().get(topic)
    return known.partitions if known else 1


def dead_letter_topic(topic: str) -> str:
    return topic + DEAD
