"""Events evolve: whatever was written once is read by today's code, and a schema that would break that fails here."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

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
from demixer.services.embedded_analyses import analysis_of
from schemas import codec
from schemas.errors import BadEvent
from schemas.events import (
    ALL,
    EventComparison,
    EventData,
    EventTags,
    UploadFingerprinted,
    UploadFingerprintedV1,
    UploadReceived,
)
from schemas.topics import all_topics, dead_letter_topic, partitions, topic_of
from schemas.upcasting import UPCASTERS
from tests.steps import sound as fingerprint

ROOT = Path(str(files("schemas")))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TYPES = sorted(event for topic in all_topics().values() for event in topic.events)
SCHEMAS = sorted((ROOT / "json").glob("*/*.json"))
EXAMPLES = sorted((ROOT / "examples").glob("*/*/*.json"))


def named(path: Path) -> str:
    return "/".join(path.parts[-3:])


def example(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def schema_of(event_type: str, version: int | str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "json" / event_type / f"{version}.json").read_text()))


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


def all_events() -> list[Event]:
    failure = Failure("too-long", {"max_minutes": 20})
    return [
        events.upload_received(upload()),
        events.upload_fingerprinted(upload(), NOW),
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
    """But for optional fields that it leaves out: those have their defaults."""
    event = codec.decode_as_written(path.read_bytes())
    assert (event.type, event.version) == (path.parent.parent.name, int(path.parent.name))
    written, again = example(path), json.loads(codec.encode(event))
    assert again["data"].items() >= written["data"].items()
    assert set(again["data"]) - set(written["data"]) <= optional_fields(event)
    assert {**again, "data": None} == {**written, "data": None}
    assert codec.decode_as_written(codec.encode(event)) == event


@pytest.mark.parametrize("folder", sorted({path.parent for path in EXAMPLES}), ids=lambda folder: folder.parent.name)
def test_an_example_shows_every_field_of_its_schema(folder: Path) -> None:
    """Others stay as they were before a field was added."""
    schema = schema_of(folder.parent.name, folder.name)
    shown = [set(example(path)["data"]) for path in folder.glob("*.json")]
    assert set(schema["properties"]) in shown


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_a_field_that_is_newly_required_would_fail_on_the_examples(path: Path) -> None:
    written = example(path)
    schema = schema_of(written["type"], path.parent.name)
    assert Draft202012Validator(schema).is_valid(written["data"])
    schema["required"] = [*schema["required"], "added_later"]
    assert not Draft202012Validator(schema).is_valid(written["data"])


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_a_narrowed_type_would_fail_on_the_examples(path: Path) -> None:
    written = example(path)
    for name in written["data"]:
        schema = schema_of(written["type"], path.parent.name)
        schema["properties"][name] = {"type": "boolean"}
        assert not Draft202012Validator(schema).is_valid(written["data"]), name


# --- the classes ----------------------------------------------------------------------------------------------------

PLAIN: Mapping[Any, Any] = {str: "string", int: "integer", float: "number", NoneType: "null"}


def optional_fields(event: Event) -> set[str]:
    schema = schema_of(event.type, event.version)
    return set(schema["properties"]) - set(schema["required"])


def shape_of_class(kind: type) -> dict[str, tuple[bool, Any]]:
    """By the name of each field on the wire: whether it is required, and its type as `shape_of_type` gives it."""
    types = get_type_hints(kind)
    on_the_wire = [field for field in fields(kind) if field.metadata.get("wire", True)]
    return {field.name: (field.default is MISSING, shape_of_type(types[field.name])) for field in on_the_wire}


def shape_of_type(kind: Any) -> Any:
    """JSON types; the values of an enumeration; for a list what its items are, for an object its fields, if known."""
    if kind in PLAIN:
        return {PLAIN[kind]}
    if get_origin(kind) is UnionType:
        return set().union(*(shape_of_type(one) for one in get_args(kind)))
    if get_origin(kind) is Literal:
        return set(get_args(kind))
    if get_origin(kind) is tuple:
        return [shape_of_type(get_args(kind)[0])]
    if get_origin(kind) is Mapping:
        return {}
    return shape_of_class(kind)


def shape_of_schema(schema: Mapping[str, Any]) -> dict[str, tuple[bool, Any]]:
    """As `shape_of_class` gives it."""
    required = schema["required"]
    return {name: (name in required, shape_of_property(each)) for name, each in schema["properties"].items()}


def shape_of_property(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return set(schema["enum"])
    if schema["type"] == "array":
        return [shape_of_property(schema["items"])]
    if schema["type"] == "object":
        return shape_of_schema(schema) if "properties" in schema else {}
    return {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_class_has_the_fields_and_the_types_of_its_schema(kind: type[EventData]) -> None:
    assert shape_of_class(kind) == shape_of_schema(schema_of(kind.TYPE, kind.VERSION))


def test_every_schema_has_a_class() -> None:
    assert sorted((kind.TYPE, str(kind.VERSION)) for kind in ALL) == sorted(
        (path.parent.name, path.stem) for path in SCHEMAS
    )


def test_the_comparison_of_a_class_with_its_schema_notices_every_difference() -> None:
    schema = schema_of("upload.fingerprinted", 1)
    comparison = schema["properties"]["compared"]["items"]
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (schema["properties"], {"added": {"type": "string"}}),
        (schema["properties"], {"attempt": {"type": "number"}}),
        (schema["properties"], {"compared": {"type": "array", "items": {"type": "string"}}}),
        (schema["properties"]["tags"]["properties"], {"year": {"type": "integer"}}),
        (comparison["properties"], {"finding": {"enum": ["same", "version"]}}),
        (comparison, {"required": ["song_id"]}),
        (schema, {"required": schema["required"][1:]}),
    ]
    for part, change in changes:
        before = dict(part)
        part.update(change)
        assert shape_of_class(UploadFingerprintedV1) != shape_of_schema(schema), change
        part.clear()
        part.update(before)
    assert shape_of_class(UploadFingerprintedV1) == shape_of_schema(schema)


# --- earlier versions -----------------------------------------------------------------------------------------------


def newest_version(event_type: str) -> int:
    return max(kind.VERSION for kind in ALL if event_type == kind.TYPE)


def test_every_version_but_the_newest_has_an_upcaster_to_the_next_one() -> None:
    assert set(UPCASTERS) == {kind for kind in ALL if newest_version(kind.TYPE) != kind.VERSION}


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_every_example_decodes_as_the_newest_version_of_its_type(path: Path) -> None:
    written, event = codec.decode_as_written(path.read_bytes()), codec.decode(path.read_bytes())
    assert event.version == newest_version(event.type)
    assert (event.id, event.subject, event.time) == (written.id, written.subject, written.time)
    assert (event == written) is (event.version == written.version)


@pytest.mark.parametrize("name", ["plain", "compared"])
def test_an_analysis_inside_an_event_of_version_1_is_still_there_in_version_2(name: str) -> None:
    path = ROOT / f"examples/upload.fingerprinted/1/{name}.json"
    data, written = codec.decode(path.read_bytes()).data, example(path)["data"]
    assert isinstance(data, UploadFingerprinted)
    assert (data.upload_id, data.attempt, data.analysis_id) == (written["upload_id"], written["attempt"], "")
    assert data.embedded is not None
    assert codec.to_plain(data.embedded).items() >= written.items()
    assert "embedded" not in codec.to_plain(data), "it is in the program only"


def test_an_event_of_version_1_is_an_analysis_that_can_be_matched() -> None:
    analysis = analysis_of(
        UploadFingerprintedV1(
            upload_id="u",
            attempt=1,
            duration=9.5,
            fingerprint=b64encode(fingerprint(1).to_bytes()).decode(),
            tags=EventTags(artist="A", album="", title="T", year=1994),
            cover="covers/u.jpg",
            shifted=b64encode(fingerprint(2).to_bytes()).decode(),
            sound_sha256="5ad",
            compared=(EventComparison(song_id="s", finding="mix", offset=0.5, without=("vocals",)),),
        )
    )
    assert analysis == Analysis(
        id="",
        duration=9.5,
        fingerprint=fingerprint(1).to_bytes(),
        shifted_fingerprint=fingerprint(2).to_bytes(),
        sample_hash="5ad",
        comparisons=(Comparison(song_id="s", verdict=MatchVerdict.MIX, offset=0.5, missing_stems=("vocals",)),),
        tags=Tags(artist="A", title="T", year=1994),
        cover_key="covers/u.jpg",
    )


@pytest.mark.parametrize("broken", ["AQID", "é", "A"])
def test_a_fingerprint_of_version_1_that_is_none_is_a_bad_event(broken: str) -> None:
    written = example(ROOT / "examples/upload.fingerprinted/1/plain.json")
    for name in ("fingerprint", "shifted"):
        data = codec.from_plain("upload.fingerprinted", 1, {**written["data"], name: broken})
        assert isinstance(data, UploadFingerprintedV1)
        with pytest.raises(BadEvent):
            analysis_of(data)


# --- the constructors and the envelope ------------------------------------------------------------------------------


def test_every_event_comes_back_the_same() -> None:
    made = all_events()
    assert sorted(event.type for event in made) == TYPES
    for event in made:
        assert codec.decode(codec.encode(event)) == event


def test_the_same_event_has_the_same_id_and_another_attempt_has_another() -> None:
    first, second = all_events(), all_events()
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
    assert event.data == UploadReceived(upload_id="u", attempt=1)


def test_matching_has_one_partition_and_so_have_dead_letters() -> None:
    assert partitions("matching") == 1
    assert partitions(dead_letter_topic("uploads")) == 1
    assert partitions("uploads") > 1
