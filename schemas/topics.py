"""The topics of `topics.yaml`: which event goes where, and how many partitions a topic has."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

DEAD = ".dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    name: str
    key: str  # what its records are keyed by, in words
    partitions: int
    events: tuple[str, ...]
    writers: tuple[str, ...]  # the processes that publish here
    readers: tuple[str, ...]  # consumer groups; live pages follow every topic outside any group
    optional_readers: tuple[str, ...] = ()  # groups that not everybody runs: nothing waits for them
    retention_hours: float | None = None


@cache
def all_topics() -> dict[str, Topic]:
    described = yaml.safe_load(files("schemas").joinpath("topics.yaml").read_text("utf-8"))
    return {name: _topic(name, fields) for name, fields in described.items()}


def readers() -> tuple[str, ...]:
    """The consumer groups that everybody runs."""
    return tuple(dict.fromkeys(group for topic in all_topics().values() for group in topic.readers))


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


def retention_hours(topic: str) -> float | None:
    """How long a record of `topic` is kept; None is for ever, as those of dead-letter topics are."""
    known = all_topics().get(topic)
    return known.retention_hours if known else None


def dead_letter_topic(topic: str) -> str:
    return topic + DEAD


def _topic(name: str, fields: Mapping[str, Any]) -> Topic:
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Topic(name=name, **{**fields, **lists})
