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
from demixer.services import analyses, songs, uploads
from demixer.wiring import House
from search.elastic.search_index import ElasticSearch
from tests import servers
from tests.consumers.driving import drained, letters, loop_of, publish, publish_bytes, steps
from tests.consumers.killing import killed
from tests.houses import Clock, data_of, published
from tests.ways import MODEL, fingerprint_event, fingerprinted, heard, keys, matched, now, sent, separated, song_of


def matcher(house: House) -> Consumer:
    return match.consumer(house, lambda: MODEL)


def found(house: House, query: str) -> list[str]:
    return [song.id for song in house.search.search(query, limit=10).songs]


def test_an_upload_joins_its_song_and_asks_for_the_model_in_use(house: House, clock: Clock) -> None:
    upload = sent(house)
    fingerprinted(house, upload, heard())
    drained(house, clock, matcher(house))
    assert now(house, upload).state is UploadState.JOINED
    assert [data_of(event)["model"] for event in published(house, "separations")] == [MODEL]


def test_the_model_is_asked_for_only_with_the_first_new_song(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "resolve", lambda settings: pytest.fail("nobody needs it yet"))
    match.consumer(house)


def test_everything_delivered_twice_has_the_effect_of_once(house: House, clock: Clock) -> None:
    first, second = sent(house, "ana", b"1"), sent(house, "berta", b"2")
    for upload in (first, second):
        fingerprinted(house, upload, heard(7))
    uploads.cancel(house, "ana", first.id)
    publish(house, *published(house, "matching"))
    drained(house, clock, matcher(house))
    assert now(house, first).state is UploadState.CANCELLED
    assert uploads.view(house, now(house, second)).status is Status.QUEUED
    assert len(published(house, "separations")) == 1


def test_an_event_with_a_broken_fingerprint_is_a_dead_letter_and_fails_its_upload(house: House, clock: Clock) -> None:
    upload = sent(house)
    analyses.begin(house, published(house)[0])
    broken = replace(heard(), fingerprint=b"broken")
    publish(house, fingerprint_event(now(house, upload), broken, clock()))
    drained(house, clock, matcher(house))
    assert uploads.view(house, now(house, upload)).status is Status.FAILED
    assert len(letters(house, "matching")) == 1


def test_a_disk_that_stays_full_fails_the_upload_with_a_reason(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house)
    fingerprinted(house, upload, heard())
    loop = loop_of(house, matcher(house), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(house.fingerprints, "candidates", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    seen = uploads.view(house, now(house, upload))
    assert (seen.status, seen.failure, seen.can_retry) == (Status.FAILED, Failure("storage-full"), True)


def test_the_index_says_what_the_catalogue_says(house: House, clock: Clock, tmp_path: Path) -> None:
    upload = matched(house, sent(house), heard(title="Falcon"))
    song_id = upload.song_id or ""
    drained(house, clock, index.consumer(house))
    assert found(house, "falcon") == []
    separated(house, tmp_path / "stems", song_id)
    drained(house, clock, index.consumer(house))
    assert found(house, "falcon") == [song_id]
    songs.edit(house, "ana", song_id, Tags(title="Eagle"))
    drained(house, clock, index.consumer(house))
    assert (found(house, "falcon"), found(house, "eagle")) == ([], [song_id])


def test_neither_order_nor_repetition_matters_to_the_index(house: House, clock: Clock, tmp_path: Path) -> None:
    song_id = matched(house, sent(house)).song_id or ""
    separated(house, tmp_path / "stems", song_id)
    songs.edit(house, "ana", song_id, Tags(title="Eagle"))
    events: list[Event] = published(house, "songs")
    publish(house, *reversed(events), *events)
    drained(house, clock, index.consumer(house))
    assert found(house, "eagle") == [song_id]


def test_a_removed_song_leaves_the_index(house: House, clock: Clock, tmp_path: Path) -> None:
    song_id = matched(house, sent(house)).song_id or ""
    separated(house, tmp_path / "stems", song_id)
    drained(house, clock, index.consumer(house))
    gone = replace(song_of(house, song_id), state=SongState.WITHDRAWN)
    house.catalogue.songs.save(gone, [facts.song_removed(gone)])
    house.flush()
    drained(house, clock, index.consumer(house))
    assert found(house, "song") == []


def test_the_index_waits_for_its_engine_however_long(house: House, clock: Clock, tmp_path: Path) -> None:
    """It was down for half an hour, and comes back with nothing."""
    with servers.started(servers.elasticsearch, tmp_path) as engine:
        if engine.server is None:
            pytest.skip("the server that TEST_ELASTICSEARCH names is not ours to stop")
        with closing(ElasticSearch(engine.fresh())) as search:
            engine.server.stop()
            moved = replace(house, search=search)
            song_id = matched(house, sent(house), heard(title="Falcon")).song_id or ""
            separated(house, tmp_path / "stems", song_id)
            loop = loop_of(moved, index.consumer(moved), clock)
            for _ in range(30):
                steps(loop, 1)
                clock.advance(60)
            assert letters(house, "songs") == []
            engine.server.start()
            clock.advance(60)
            steps(loop)
            loop._leave()
            assert found(moved, "falcon") == [song_id]


@pytest.mark.parametrize("topic", ["matching", "songs"])
def test_nonsense_in_a_topic_stops_nobody(house: House, clock: Clock, topic: str) -> None:
    upload = sent(house)
    event = fingerprinted(house, upload, heard())
    publish_bytes(house, topic, b"nonsense")
    publish(house, event)
    drained(house, clock, matcher(house), index.consumer(house))
    assert now(house, upload).state is UploadState.JOINED
    assert [letter.value for letter in letters(house, topic)] == [b"nonsense"]


# --- killed in the middle -------------------------------------------------------------------------------------------


@pytest.mark.embedded
def test_killed_after_any_step_of_a_new_song_the_next_match_completes_it_once(house: House, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = sent(house, data=f"song {after}".encode())
        fingerprinted(house, upload, heard(after))
        was_killed = killed(house, matcher(house), clock, after=after)
        drained(house, clock, matcher(house))
        joined = now(house, upload)
        assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
        assert house.catalogue.songs.by_file(upload.sha256) == song_of(house, joined.song_id)
        assert house.fingerprints.candidates([heard(after).fingerprint]) == [joined.song_id]
        assert told(house, joined.song_id) == ["separation.requested"]
        if not was_killed:
            break
    assert after > 10


@pytest.mark.embedded
def test_killed_after_any_step_of_a_known_song_the_next_match_completes_it_once(house: House, clock: Clock) -> None:
    song_id = matched(house, sent(house), heard()).song_id
    for after in itertools.count(1):
        upload = sent(house, "berta", f"copy {after}".encode())
        fingerprinted(house, upload, heard())
        was_killed = killed(house, matcher(house), clock, after=after)
        drained(house, clock, matcher(house))
        joined = now(house, upload)
        assert (joined.state, joined.song_id, joined.matched_by) == (UploadState.JOINED, song_id, MatchMethod.RECORDING)
        assert told(house, song_id) == ["separation.requested", *["song.matched"] * after]
        assert song_of(house, song_id).audio_key in keys(house)
        if not was_killed:
            break
    assert after > 5


@pytest.mark.embedded
def test_killed_after_any_step_of_a_withdrawal_the_next_match_completes_it(house: House, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = matched(house, sent(house, data=f"song {after}".encode()), heard(after))
        uploads.cancel(house, "ana", upload.id)
        was_killed = killed(house, matcher(house), clock, after=after)
        drained(house, clock, matcher(house))
        assert song_of(house, upload.song_id).is_removed
        (separation,) = house.catalogue.separations.of_song(upload.song_id or "")
        assert separation.state is SeparationState.CANCELLED
        assert (keys(house), house.fingerprints.candidates([heard(after).fingerprint])) == (set(), [])
        assert told(house, upload.song_id) == ["separation.requested", "song.removed"]
        if not was_killed:
            break
    assert after > 5


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("removed", [False, True])
def test_killed_after_any_step_the_next_index_completes_it(
    house: House, clock: Clock, tmp_path: Path, after: int, removed: bool
) -> None:
    song_id = matched(house, sent(house), heard(title="Falcon")).song_id or ""
    separated(house, tmp_path / "stems", song_id)
    if removed:
        drained(house, clock, index.consumer(house))
        gone = replace(song_of(house, song_id), state=SongState.WITHDRAWN)
        house.catalogue.songs.save(gone, [facts.song_removed(gone)])
        house.flush()
    assert killed(house, index.consumer(house), clock, after=after)
    drained(house, clock, index.consumer(house))
    assert found(house, "falcon") == ([] if removed else [song_id])


def told(house: House, song_id: str | None) -> list[str]:
    """What was published of a song, each once: the same event may come again."""
    events = {event.id: event for event in published(house, "separations", "songs")}.values()
    return [event.type for event in events if data_of(event)["song_id"] == song_id]
