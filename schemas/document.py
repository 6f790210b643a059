"""`docs/events.md`, made from the topics, the schemas and the examples: `make docs`, and a test that it is fresh."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.topics import Topic, all_topics

INTRODUCTION = """\
# Events

*Made by `make docs` from `schemas/`: change it there.*

Everything that happens to a song is an event in the log: a fact, in the past tense, with references to audio and never
audio itself. An event is a [CloudEvents 1.0](https://cloudevents.io) envelope in JSON; its `data` fits the JSON Schema
of its type and version, and what does not is neither published nor handled. Record headers say `content-type` and
`type`, so that a reader may skip without decoding.

## How events evolve

- **A new optional field may join a version.** Readers that are older leave it alone: unknown fields are no error.
- **Anything else is a new version**, `schemas/json/TYPE/N.json`, beside the old one: a field that is required, gone,
  or of another type or meaning. Readers learn the new version first, everywhere; then writers use it.
- **Nothing that was written once becomes unreadable.** `schemas/examples` keeps examples of every version, and a test
  decodes them all with today's code. So a group may be set back to the beginning of the log at any time.
- **Delivered at least once.** An id follows from what happened, so the same fact published twice is the same event, and
  every consumer takes the second one for what it is.
- An event that nobody understands goes to `TOPIC.dead` with its original bytes and why: `demixer dead-letters list`.

## Topics

Records with the same key keep their order. Readers are consumer groups, which share a topic's partitions among their
members; the live pages of the web server follow every topic beside them. Every topic has a `TOPIC.dead` with one
partition, kept for ever. What a killed process could not publish any more, `maintenance` publishes for it.
"""


def document() -> str:
    """All of `docs/events.md`."""
    topics = all_topics().values()
    return "\n".join([INTRODUCTION, *_overview(topics), "", *(line for topic in topics for line in _topic(topic))])


def _overview(topics: Iterable[Topic]) -> Iterator[str]:
    yield "| topic | key | partitions | kept | written by | read by |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for topic in topics:
        kept = "for ever" if topic.retention_hours is None else f"{topic.retention_hours:g} h"
        read_by = ", ".join([*topic.readers, *topic.optional_readers]) or "live pages"
        cells = (topic.key, topic.partitions, kept, ", ".join(topic.writers), read_by)
        yield f"| [`{topic.name}`](#{topic.name}) | {' | '.join(map(str, cells))} |"


def _topic(topic: Topic) -> Iterator[str]:
    yield f"## {topic.name}\n"
    for event_type in topic.events:
        for schema in _versions(event_type):
            yield from _event(schema)


def _versions(event_type: str) -> Iterator[Mapping[str, Any]]:
    """The schemas, the newest version first."""
    found = [path for path in files("schemas").joinpath("json", event_type).iterdir() if path.name.endswith(".json")]
    for path in sorted(found, key=lambda path: int(path.name.removesuffix(".json")), reverse=True):
        yield json.loads(path.read_text("utf-8"))


def _event(schema: Mapping[str, Any]) -> Iterator[str]:
    event_type, version = schema["title"].split(" ")
    yield f"### {event_type}, version {version}\n"
    yield f"{schema['description']}\n"
    yield "| field | type | |"
    yield "| --- | --- | --- |"
    yield from _fields(schema)
    yield f"\n```json\n{json.dumps(_example(event_type, version), indent=2, ensure_ascii=False)}\n```\n"


def _fields(schema: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else "optional"
        told = "; ".join(filter(None, (optional, field.get("description", ""), _limits(field))))
        yield f"| `{within}{name}` | {_kind(field)} | {told} |"
        yield from _fields(field, f"{within}{name}.")


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    kinds = field.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _limits(field: Mapping[str, Any]) -> str:
    told = {
        "minimum": "at least {}",
        "exclusiveMinimum": "more than {}",
        "maximum": "at most {}",
        "maxLength": "at most {} characters",
        "contentEncoding": "{}",
    }
    return ", ".join(text.format(field[name]) for name, text in told.items() if name in field)


def _example(event_type: str, version: str) -> Any:
    folder = files("schemas").joinpath("examples", event_type, version)
    first = min(folder.iterdir(), key=lambda path: path.name)
    return json.loads(first.read_text("utf-8"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), "utf-8")
