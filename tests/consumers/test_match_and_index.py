import itertools
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consumers import index, match
from consumers.framework.consumer import Consumer
from demixer.domain import Event, Failure, MatchMethod, SeparationState, SongState, Status, Tags, UploadState
from demixer.domain import events as facts
from demixer.domain.errors import StorageFull
from demixer.separation import models
from demixer.wiring import Services
from search.elastic.search_index import ElasticSearch
from tests import servers
from tests.consumers.driving import drained, letters, loop_of, publish, publish_bytes, steps
from tests.consumers.killing import killed
from tests.steps import MODEL, fingerprint_event, fingerprinted, heard, keys, matched, now, sent, separated, song_of
from tests.wired import Clock, data_of, published


def matcher(services: Services) -> Consumer:
    return match.consumer(services, lambda: MODEL)


def found(services: Services, query: str) -> list[str]:
    return [song.id for song in services.search.search(query, limit=10).songs]


def test_an_upload_joins_its_song_and_asks_for_the_model_in_use(services: Services, clock: Clock) -> None:
    upload = sent(services)
    fingerprinted(services, upload, heard())
    drained(services, clock, matcher(services))
    assert now(services, upload).state is UploadState.JOINED
    assert [data_of(event)["model"] for event in published(services, "separations")] == [MODEL]


def test_the_model_is_asked_for_only_with_the_first_new_song(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "resolve", lambda settings: pytest.fail("nobody needs it yet"))
    match.consumer(services)


def test_everything_delivered_twice_has_the_effect_of_once(services: Services, clock: Clock) -> None:
    first, second = sent(services, "ana", b"1"), sent(services, "berta", b"2")
    for upload in (first, second):
        fingerprinted(services, upload, heard(7))
    services.uploads.cancel("ana", first.id)
    publish(services, *published(services, "matching"))
    drained(services, clock, matcher(services))
    assert now(services, first).state is UploadState.CANCELLED
    assert services.uploads.view(now(services, second)).status is Status.QUEUED
    assert len(published(services, "separations")) == 1


def test_an_event_with_a_broken_fingerprint_is_a_dead_letter_and_fails_its_upload(
    services: Services, clock: Clock
) -> None:
    upload = sent(services)
    services.upload_analyses.begin(*upload_event(published(services)[0]))
    broken = replace(heard(), fingerprint=b"broken")
    publish(services, fingerprint_event(now(services, upload), broken, clock()))
    drained(services, clock, matcher(services))
    assert services.uploads.view(now(services, upload)).status is Status.FAILED
    assert len(letters(services, "matching")) == 1


def test_a_disk_that_stays_full_fails_the_upload_with_a_reason(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    fingerprinted(services, upload, heard())
    loop = loop_of(services, matcher(services), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(services.fingerprints, "candidates", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    seen = services.uploads.view(now(services, upload))
    assert (seen.status, seen.failure, seen.can_retry) == (Status.FAILED, Failure("storage-full"), True)


def test_the_index_says_what_the_catalogue_says(services: Services, clock: Clock, tmp_path: Path) -> None:
    upload = matched(services, sent(services), heard(title="Falcon"))
    song_id = upload.song_id or ""
    drained(services, clock, index.consumer(services))
    assert found(services, "falcon") == []
    separated(services, tmp_path / "stems", song_id)
    drained(services, clock, index.consumer(services))
    assert found(services, "falcon") == [song_id]
    services.songs.edit("ana", song_id, Tags(title="Eagle"))
    drained(services, clock, index.consumer(services))
    assert (found(services, "falcon"), found(services, "eagle")) == ([], [song_id])


def test_neither_order_nor_repetition_matters_to_the_index(services: Services, clock: Clock, tmp_path: Path) -> None:
    song_id = matched(services, sent(services)).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    services.songs.edit("ana", song_id, Tags(title="Eagle"))
    events: list[Event] = published(services, "songs")
    publish(services, *reversed(events), *events)
    drained(services, clock, index.consumer(services))
    assert found(services, "eagle") == [song_id]


def test_a_removed_song_leaves_the_index(services: Services, clock: Clock, tmp_path: Path) -> None:
    song_id = matched(services, sent(services)).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    drained(services, clock, index.consumer(services))
    gone = replace(song_of(services, song_id), state=SongState.WITHDRAWN)
    services.catalogue.songs.save(gone, [facts.song_removed(gone)])
    services.flush()
    drained(services, clock, index.consumer(services))
    assert found(services, "song") == []


def test_the_index_waits_for_its_engine_however_long(services: Services, clock: Clock, tmp_path: Path) -> None:
    """It was down for half an hour, and comes back with nothing."""
    with servers.started(servers.elasticsearch, tmp_path) as engine:
        if engine.server is None:
            pytest.skip("the server that TEST_ELASTICSEARCH names is not ours to stop")
        with closing(ElasticSearch(engine.fresh())) as search:
            engine.server.stop()
            moved = replace(services, search=search)
            song_id = matched(services, sent(services), heard(title="Falcon")).song_id or ""
            separated(services, tmp_path / "stems", song_id)
            loop = loop_of(moved, index.consumer(moved), clock)
            for _ in range(30):
                steps(loop, 1)
                clock.advance(60)
            assert letters(services, "songs") == []
            engine.server.start()
            clock.advance(60)
            steps(loop)
            loop._leave()
            assert found(moved, "falcon") == [song_id]


@pytest.mark.parametrize("topic", ["matching", "songs"])
def test_nonsense_in_a_topic_stops_nobody(services: Services, clock: Clock, topic: str) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, heard())
    publish_bytes(services, topic, b"nonsense")
    publish(services, event)
    drained(services, clock, matcher(services), index.consumer(services))
    assert now(services, upload).state is UploadState.JOINED
    assert [letter.value for letter in letters(services, topic)] == [b"nonsense"]


# --- killed in the middle -------------------------------------------------------------------------------------------


@pytest.mark.embedded
def test_killed_after_any_step_of_a_new_song_the_next_match_completes_it_once(services: Services, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = sent(services, data=f"song {after}".encode())
        fingerprinted(services, upload, heard(after))
        was_killed = killed(services, matcher(services), clock, after=after)
        drained(services, clock, matcher(services))
        joined = now(services, upload)
        assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
        assert services.catalogue.songs.by_file(upload.sha256) == song_of(services, joined.song_id)
        assert services.fingerprints.candidates([heard(after).fingerprint]) == [joined.song_id]
        assert told(services, joined.song_id) == ["separation.requested"]
        if not was_killed:
            break
    assert after > 10


@pytest.mark.embedded
def test_killed_after_any_step_of_a_known_song_the_next_match_completes_it_once(
    services: Services, clock: Clock
) -> None:
    song_id = matched(services, sent(services), heard()).song_id
    for after in itertools.count(1):
        upload = sent(services, "berta", f"copy {after}".encode())
        fingerprinted(services, upload, heard())
        was_killed = killed(services, matcher(services), clock, after=after)
        drained(services, clock, matcher(services))
        joined = now(services, upload)
        assert (joined.state, joined.song_id, joined.matched_by) == (UploadState.JOINED, song_id, MatchMethod.RECORDING)
        assert told(services, song_id) == ["separation.requested", *["song.matched"] * after]
        assert song_of(services, song_id).audio_key in keys(services)
        if not was_killed:
            break
    assert after > 5


@pytest.mark.embedded
def test_killed_after_any_step_of_a_withdrawal_the_next_match_completes_it(services: Services, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = matched(services, sent(services, data=f"song {after}".encode()), heard(after))
        services.uploads.cancel("ana", upload.id)
        was_killed = killed(services, matcher(services), clock, after=after)
        drained(services, clock, matcher(services))
        assert song_of(services, upload.song_id).is_removed
        (separation,) = services.catalogue.separations.of_song(upload.song_id or "")
        assert separation.state is SeparationState.CANCELLED
        assert (keys(services), services.fingerprints.candidates([heard(after).fingerprint])) == (set(), [])
        assert told(services, upload.song_id) == ["separation.requested", "song.removed"]
        if not was_killed:
            break
    assert after > 5


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("removed", [False, True])
def test_killed_after_any_step_the_next_index_completes_it(
    services: Services, clock: Clock, tmp_path: Path, after: int, removed: bool
) -> None:
    song_id = matched(services, sent(services), heard(title="Falcon")).song_id or ""
    separated(services, tmp_path / "stems", song_id)
    if removed:
        drained(services, clock, index.consumer(services))
        gone = replace(song_of(services, song_id), state=SongState.WITHDRAWN)
        services.catalogue.songs.save(gone, [facts.song_removed(gone)])
        services.flush()
    assert killed(services, index.consumer(services), clock, after=after)
    drained(services, clock, index.consumer(services))
    assert found(services, "falcon") == ([] if removed else [song_id])


def told(services: Services, song_id: str | None) -> list[str]:
    """What was published of a song, each once: the same event may come again."""
    events = {event.id: event for event in published(services, "separations", "songs")}.values()
    return [event.type for event in events if data_of(event)["song_id"] == song_id]
