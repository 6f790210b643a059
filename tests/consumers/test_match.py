import base64
import itertools
from dataclasses import replace

import pytest

from demixer.domain import (
    Analysis,
    Event,
    Failure,
    MatchMethod,
    SeparationState,
    Status,
    Tags,
    Upload,
    UploadState,
)
from demixer.domain.errors import StorageFull
from demixer.separation import models
from demixer.wiring import Services, build_services
from schemas import codec
from schemas.events import EventComparison, EventTags, UploadFingerprintedV1
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters, loop_of, publish, publish_bytes, steps
from tests.consumers.killing import killed
from tests.steps import an_analysis, fingerprinted, keys, matched, now, same_by_fingerprint, sent, song_of
from tests.wired import MODEL, Clock, a_worker, data_of, published


def match_all(services: Services, clock: Clock) -> None:
    drained(services, clock, consumers_of.match(services))


def test_an_upload_joins_its_song_and_asks_for_the_model_in_use(services: Services, clock: Clock) -> None:
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    match_all(services, clock)
    assert now(services, upload).state is UploadState.JOINED
    assert [data_of(event)["model"] for event in published(services, "separations")] == [MODEL]


def test_no_model_is_resolved_for_an_upload(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """That may take seconds, and a hub. The workers have said what they can do."""
    monkeypatch.setattr(models, "resolve", lambda *_: pytest.fail("match resolved a model"))
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    match_all(services, clock)
    assert now(services, upload).state is UploadState.JOINED


def test_everything_delivered_twice_has_the_effect_of_once(services: Services, clock: Clock) -> None:
    first, second = sent(services, "ana", b"1"), sent(services, "berta", b"2")
    for upload in (first, second):
        fingerprinted(services, upload, an_analysis(7))
    services.uploads.cancel("ana", first.id)
    services.flush()
    publish(services, *published(services, "matching"))
    match_all(services, clock)
    assert now(services, first).state is UploadState.CANCELLED
    assert services.uploads.view(now(services, second)).status is Status.QUEUED
    assert len(published(services, "separations")) == 1


def test_a_disk_that_stays_full_fails_the_upload_with_a_reason(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    loop = loop_of(services, consumers_of.match(services), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(services.fingerprints, "candidates", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    seen = services.uploads.view(now(services, upload))
    assert (seen.status, seen.failure, seen.can_retry) == (Status.FAILED, Failure("storage-full"), True)


@pytest.mark.parametrize("topic", ["matching", "songs"])
def test_nonsense_in_a_topic_stops_nobody(services: Services, clock: Clock, topic: str) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, an_analysis())
    publish_bytes(services, topic, b"nonsense")
    publish(services, event)
    drained(services, clock, consumers_of.match(services), consumers_of.index(services))
    assert now(services, upload).state is UploadState.JOINED
    assert [letter.value for letter in letters(services, topic)] == [b"nonsense"]


# --- the model for new songs ------------------------------------------------------------------------------------------


def without_worker(services: Services, clock: Clock) -> None:
    """The one worker that there was says that it can run no model any more."""
    services.capabilities.report(a_worker(clock(), "", stems=()))


def test_without_a_worker_a_new_song_waits_until_one_says_what_it_can_do(services: Services, clock: Clock) -> None:
    without_worker(services, clock)
    upload = sent(services)
    fingerprinted(services, upload, an_analysis())
    match_all(services, clock)
    waiting = now(services, upload)
    assert (waiting.state, waiting.waiting_for) == (UploadState.FINGERPRINTED, "worker")
    assert published(services, "separations") == []
    services.capabilities.report(a_worker(clock(), "htdemucs"))
    services.matching.resume_waiting("worker")
    services.flush()
    resumed = now(services, upload)
    assert (resumed.state, resumed.attempt, resumed.waiting_for) == (UploadState.RECEIVED, 2, None)
    fingerprinted(services, resumed, an_analysis())
    match_all(services, clock)
    assert now(services, upload).state is UploadState.JOINED
    assert [data_of(event)["model"] for event in published(services, "separations")] == ["htdemucs"]


def test_without_a_worker_the_file_of_a_song_that_is_here_joins_it(services: Services, clock: Clock) -> None:
    song_id = matched(services, sent(services), an_analysis()).song_id
    without_worker(services, clock)
    upload = sent(services, "berta")
    fingerprinted(services, upload, an_analysis())
    match_all(services, clock)
    joined = now(services, upload)
    assert (joined.state, joined.song_id, joined.matched_by) == (UploadState.JOINED, song_id, MatchMethod.FILE)


# --- events of version 1, which carry their analysis ------------------------------------------------------------------


def version_1(services: Services, upload: Upload, analysis: Analysis, clock: Clock) -> Event:
    """The event that the `fingerprint` consumer of version 0.1 published. Its analysis is nowhere else."""
    begun = services.upload_analyses.begin(upload.id, upload.attempt)
    assert begun is not None
    services.catalogue.uploads.save(begun.moved_to(UploadState.FINGERPRINTED, clock()))
    tags = analysis.tags
    compared = [
        EventComparison(song_id=each.song_id, finding="same", offset=each.offset) for each in analysis.comparisons
    ]
    data = UploadFingerprintedV1(
        upload_id=upload.id,
        attempt=upload.attempt,
        duration=analysis.duration,
        fingerprint=base64.b64encode(analysis.fingerprint).decode(),
        tags=EventTags(artist=tags.artist, album=tags.album, title=tags.title, year=tags.year),
        cover=analysis.cover_key,
        compared=tuple(compared),
    )
    return Event(id=f"version-1-{upload.id}", subject=upload.id, time=clock(), data=data)


def test_an_event_of_version_1_makes_a_song_of_what_it_carries(services: Services, clock: Clock) -> None:
    upload = sent(services)
    event = version_1(services, upload, an_analysis(title="Falcon"), clock)
    assert (event.version, codec.decode(codec.encode(event)).version) == (1, 2)
    publish(services, event, event)
    match_all(services, clock)
    joined = now(services, upload)
    assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
    song = song_of(services, joined.song_id)
    assert (song.tags, song.duration) == (Tags(title="Falcon", artist="Somebody"), an_analysis().duration)
    assert services.fingerprints.candidates([an_analysis().fingerprint]) == [song.id]
    assert [data_of(event)["song_id"] for event in published(services, "separations")] == [song.id]


def test_an_event_of_version_1_joins_the_song_that_it_was_compared_with(services: Services, clock: Clock) -> None:
    song_id = matched(services, sent(services), an_analysis()).song_id
    upload = sent(services, "berta", b"a copy")
    compared = replace(an_analysis(), comparisons=same_by_fingerprint(services, an_analysis()))
    publish(services, version_1(services, upload, compared, clock))
    match_all(services, clock)
    joined = now(services, upload)
    assert (joined.song_id, joined.matched_by) == (song_id, MatchMethod.RECORDING)


def test_an_event_of_version_1_is_analysed_anew_where_a_song_like_it_has_appeared(
    services: Services, clock: Clock
) -> None:
    """From then on the analysis is in the catalogue."""
    upload = sent(services, "berta", b"a copy")
    event = version_1(services, upload, an_analysis(), clock)
    song_id = matched(services, sent(services), an_analysis()).song_id
    publish(services, event)
    match_all(services, clock)
    again = now(services, upload)
    assert (again.state, again.attempt) == (UploadState.RECEIVED, 2)
    assert fingerprinted(services, again, an_analysis()).version == 2
    match_all(services, clock)
    assert now(services, upload).song_id == song_id


def test_an_event_with_a_broken_fingerprint_is_a_dead_letter_and_fails_its_upload(
    services: Services, clock: Clock
) -> None:
    upload = sent(services)
    publish(services, version_1(services, upload, replace(an_analysis(), fingerprint=b"broken"), clock))
    match_all(services, clock)
    assert services.uploads.view(now(services, upload)).status is Status.FAILED
    assert len(letters(services, "matching")) == 1


def test_an_event_whose_analysis_is_gone_has_the_file_analysed_again(services: Services, clock: Clock) -> None:
    """As after the catalogue was restored from a copy."""
    upload = sent(services)
    services.upload_analyses.begin(upload.id, upload.attempt)
    services.catalogue.uploads.save(now(services, upload).moved_to(UploadState.FINGERPRINTED, clock()))
    services.uploads.republish(now(services, upload))
    match_all(services, clock)
    assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.RECEIVED, 2)
    assert [data_of(event)["attempt"] for event in published(services, "uploads")] == [1, 2]


# --- killed in the middle ---------------------------------------------------------------------------------------------


def next_process(services: Services, clock: Clock) -> None:
    """Another process of the consumer, and what `maintenance` does for the one that was killed."""
    match_all(build_services(services.adapters), clock)
    services.relay.publish_abandoned(after=0)


@pytest.mark.embedded
def test_killed_after_any_step_of_a_new_song_the_next_match_completes_it_once(services: Services, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = sent(services, data=f"song {after}".encode())
        fingerprinted(services, upload, an_analysis(after))
        was_killed = killed(services, consumers_of.match, clock, after=after)
        next_process(services, clock)
        joined = now(services, upload)
        assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
        assert services.catalogue.songs.by_file(upload.sha256) == song_of(services, joined.song_id)
        assert services.fingerprints.candidates([an_analysis(after).fingerprint]) == [joined.song_id]
        assert events_of(services, joined.song_id) == ["separation.requested"]
        if not was_killed:
            break
    assert after > 10


@pytest.mark.embedded
def test_killed_after_any_step_of_a_known_song_the_next_match_completes_it_once(
    services: Services, clock: Clock
) -> None:
    song_id = matched(services, sent(services), an_analysis()).song_id
    for after in itertools.count(1):
        upload = sent(services, "berta", f"copy {after}".encode())
        fingerprinted(services, upload, an_analysis())
        was_killed = killed(services, consumers_of.match, clock, after=after)
        next_process(services, clock)
        joined = now(services, upload)
        assert (joined.state, joined.song_id, joined.matched_by) == (UploadState.JOINED, song_id, MatchMethod.RECORDING)
        assert events_of(services, song_id) == ["separation.requested", *["song.matched"] * after]
        assert song_of(services, song_id).audio_key in keys(services)
        if not was_killed:
            break
    assert after > 5


@pytest.mark.embedded
def test_killed_after_any_step_of_a_withdrawal_the_next_match_completes_it(services: Services, clock: Clock) -> None:
    for after in itertools.count(1):
        upload = matched(services, sent(services, data=f"song {after}".encode()), an_analysis(after))
        services.uploads.cancel("ana", upload.id)
        services.flush()
        was_killed = killed(services, consumers_of.match, clock, after=after)
        next_process(services, clock)
        assert song_of(services, upload.song_id).is_removed
        (separation,) = services.catalogue.separations.of_song(upload.song_id or "")
        assert separation.state is SeparationState.CANCELLED
        assert (keys(services), services.fingerprints.candidates([an_analysis(after).fingerprint])) == (set(), [])
        assert events_of(services, upload.song_id) == ["separation.requested", "song.removed"]
        if not was_killed:
            break
    assert after > 5


def events_of(services: Services, song_id: str | None) -> list[str]:
    """The types of what was published of a song, each event once: the same may come again."""
    events = {event.id: event for event in published(services, "separations", "songs")}.values()
    return [event.type for event in events if data_of(event)["song_id"] == song_id]
