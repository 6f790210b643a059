"""Events evolve: whatever was written once is read by today's code, and a schema that would break that fails here."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from demixer.domain import (
    Analysis,
    Comparison,
    Event,
    Failure,
    MatchMethod,
    MatchVerdict,
    Separation,
    Song,
    Tags,
    Upload,
    events,
)
from schemas import codec
from schemas.errors import BadEvent
from schemas.topics import all_topics, dead_letter_topic, partitions, topic_of

ROOT = Path(str(files("schemas")))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TYPES = sorted(event for topic in all_topics().values() for event in topic.events)
SCHEMAS = sorted((ROOT / "events").glob("*/*.json"))
EXAMPLES = sorted((ROOT / "examples").glob("*/*/*.json"))


def named(path: Path) -> str:
    return "/".join(path.parts[-3:])


def example(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def schema_of(event: Event) -> dict[str, Any]:
    return dict(json.loads((ROOT / "events" / event.type / f"{event.version}.json").read_text()))


def upload() -> Upload:
    return Upload(
        id="u",
        person_id="p",
        filename="Ñandú 🎵.mp3",
        size=1,
        sha256="ab",
        audio_key="uploads/u",
        given_tags=Tags(),
        created_at=NOW,
        updated_at=NOW,
        song_id="s",
        matched_by=MatchMethod.FILE,
        version=3,
    )


def song() -> Song:
    return Song(
        id="s",
        owner_id="p",
        tags=Tags(),
        duration=9.5,
        sha256="ab",
        fingerprint=b"",
        audio_key="uploads/u",
        cover_key="",
        created_at=NOW,
        updated_at=NOW,
    )


def separation() -> Separation:
    return Separation(id="x", song_id="s", model="htdemucs", requested_at=NOW, updated_at=NOW)


def heard() -> Analysis:
    mix = Comparison(song_id="s", verdict=MatchVerdict.MIX, offset=0.5, missing_stems=("vocals",))
    return Analysis(duration=9.5, fingerprint=b"\0\1", tags=Tags(year=1994), cover_key="", comparisons=(mix,))


def all_facts() -> list[Event]:
    failure = Failure("too-long", {"max_minutes": 20})
    return [
        events.upload_received(upload()),
        events.upload_fingerprinted(upload(), heard(), NOW),
        events.upload_rejected(upload(), failure, NOW),
        events.upload_withdrawn(upload(), NOW),
        events.separation_requested(separation()),
        events.separation_progressed(separation()),
        events.song_matched(upload(), NOW),
        events.song_separated(song(), separation()),
        events.song_failed(separation(), failure, NOW),
        events.song_edited(song()),
        events.song_removed(song()),
        events.song_merged(replace(song(), merged_into="t")),
        events.song_unmerged(song()),
    ]


def test_every_type_has_a_topic_a_schema_and_an_example_of_every_version() -> None:
    assert sorted({path.parent.name for path in SCHEMAS}) == TYPES
    assert {(path.parent.name, path.stem) for path in SCHEMAS} == {
        (path.parent.parent.name, path.parent.name) for path in EXAMPLES
    }


def test_no_type_is_in_two_topics() -> None:
    assert len(TYPES) == len(set(TYPES))
    assert all(kind in all_topics()[topic_of(kind)].events for kind in TYPES)


@pytest.mark.parametrize("path", SCHEMAS, ids=named)
def test_every_schema_is_one_and_says_what_it_is(path: Path) -> None:
    schema = json.loads(path.read_text())
    meta.validate(schema)
    assert schema["title"] == f"{path.parent.name} {path.stem}"
    assert schema["description"]


@pytest.mark.parametrize("path", SCHEMAS, ids=named)
def test_a_schema_leaves_room_for_additions(path: Path) -> None:
    assert json.loads(path.read_text()).get("additionalProperties", True) is True


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_every_example_of_every_version_decodes_and_comes_back_the_same(path: Path) -> None:
    event = codec.decode(path.read_bytes())
    assert (event.type, event.version) == (path.parent.parent.name, int(path.parent.name))
    assert example(path) == json.loads(codec.encode(event))


@pytest.mark.parametrize("folder", sorted({path.parent for path in EXAMPLES}), ids=lambda folder: folder.parent.name)
def test_an_example_shows_every_field_of_its_schema(folder: Path) -> None:
    """Others stay as they were before a field was added."""
    schema = json.loads((ROOT / "events" / folder.parent.name / f"{folder.name}.json").read_text())
    shown = [set(example(path)["data"]) for path in folder.glob("*.json")]
    assert set(schema["properties"]) in shown


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_a_field_that_is_newly_required_would_fail_on_the_examples(path: Path) -> None:
    event = codec.decode(path.read_bytes())
    schema = schema_of(event)
    schema["required"] = [*schema["required"], "added_later"]
    assert not Draft202012Validator(schema).is_valid(event.data)


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_a_narrowed_type_would_fail_on_the_examples(path: Path) -> None:
    event = codec.decode(path.read_bytes())
    for name in event.data:
        schema = schema_of(event)
        schema["properties"][name] = {"type": "boolean"}
        assert not Draft202012Validator(schema).is_valid(event.data), name


def test_every_fact_makes_a_valid_event_that_comes_back_the_same() -> None:
    made = all_facts()
    assert sorted(event.type for event in made) == TYPES
    for event in made:
        assert codec.decode(codec.encode(event)) == event


def test_the_same_fact_has_the_same_id_and_another_attempt_has_another() -> None:
    first, second = all_facts(), all_facts()
    assert [event.id for event in first] == [event.id for event in second]
    assert len({event.id for event in first}) == len(first)
    assert events.upload_received(upload()).id != events.upload_received(replace(upload(), attempt=2)).id


def changed(**changes: Any) -> bytes:
    return json.dumps({**example(ROOT / "examples/upload.received/1/plain.json"), **changes}).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        changed(specversion="0.3"),
        changed(type="upload.eaten"),
        changed(type="../../topics"),
        changed(type="../examples/upload.received"),
        changed(dataschema="/schemas/upload.received/99"),
        changed(dataschema="/schemas/upload.received/one"),
        changed(dataschema="nonsense"),
        changed(time="yesterday"),
        changed(time=7),
        changed(data=None),
        changed(data={}),
        changed(data={"upload_id": "", "attempt": 1}),
        changed(data={"upload_id": "u", "attempt": 0}),
        changed(data={"upload_id": "u", "attempt": "1"}),
        changed(data={"upload_id": "u", "attempt": float("nan")}),
        b"[" * 100_000,
    ],
)
def test_what_is_no_event_of_ours_is_a_bad_event(value: bytes) -> None:
    with pytest.raises(BadEvent):
        codec.decode(value)


def test_an_addition_that_we_do_not_know_yet_is_taken() -> None:
    event = codec.decode(changed(data={"upload_id": "u", "attempt": 1, "from_the_future": True}, traceparent="00-1"))
    assert data_of(event)["from_the_future"] is True


def test_matching_has_one_partition_and_so_have_dead_letters() -> None:
    assert partitions("matching") == 1
    assert partitions(dead_letter_topic("uploads")) == 1
    assert partitions("uploads") > 1
