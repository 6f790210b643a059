from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from demixer.domain import Failure, SeparationState, Status, Tags, Upload, UploadState
from demixer.domain.errors import NotFound, Refused, TooLarge
from demixer.services.uploads import Uploads
from demixer.wiring import Services
from tests.steps import (
    an_analysis,
    fingerprinted,
    keys,
    match,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
    withdraw,
)
from tests.wired import Clock, data_of, published, services_in

HASH = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc", FIPS 180-2, B.1


def failed(services: Services, data: bytes = b"a song", *, keep_file: bool = True) -> Upload:
    upload = sent(services, data=data)
    services.upload_analyses.reject(upload, Failure("damaged-audio"), keep_file=keep_file)
    return now(services, upload)


def test_a_file_is_stored_counted_hashed_and_published(services: Services) -> None:
    upload = sent(services, data=b"abc", filename="x.mp3")
    assert (upload.size, upload.sha256, upload.state) == (3, HASH, UploadState.RECEIVED)
    assert keys(services) == {upload.audio_key}
    assert [(event.type, event.subject) for event in published(services)] == [("upload.received", upload.id)]


def test_a_file_that_is_too_large_is_refused_while_it_arrives_and_leaves_nothing(tmp_path: Path) -> None:
    with services_in(tmp_path, max_upload_mb=1) as services:
        incoming = services.uploads.incoming()
        incoming.write(bytes(1024 * 1024))
        with pytest.raises(TooLarge) as caught:
            incoming.write(b"!")
        assert caught.value.params == {"limit_mb": 1}
        assert keys(services) == set()


@pytest.mark.parametrize(("filename", "code"), [("", "no-file"), ("song.mp3", "empty-file")])
def test_an_upload_without_a_file_is_refused(services: Services, filename: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        services.uploads.receive("ana", filename, services.uploads.incoming(), Tags())
    assert caught.value.code == code
    assert (keys(services), published(services)) == (set(), [])


def test_an_open_upload_can_be_cancelled_and_an_event_says_so(services: Services) -> None:
    upload = sent(services)
    assert services.uploads.cancel("ana", upload.id).state is UploadState.CANCELLED
    services.flush()
    assert [event.type for event in published(services, "matching")] == ["upload.withdrawn"]
    with pytest.raises(Refused, match="cannot-cancel"):
        services.uploads.cancel("ana", upload.id)


def test_a_removed_song_is_not_shown_with_its_upload(services: Services) -> None:
    upload = matched(services, sent(services))
    services.uploads.cancel("ana", upload.id)
    withdraw(services, upload.id)
    assert song_of(services, upload.song_id).is_removed
    seen = services.uploads.view(now(services, upload))
    assert (seen.song, seen.status) == (None, Status.CANCELLED)


def test_what_is_ready_cannot_be_cancelled_but_deleted(services: Services, tmp_path: Path) -> None:
    upload = matched(services, sent(services))
    separated(services, tmp_path / "stems", upload.song_id or "")
    with pytest.raises(Refused, match="cannot-cancel"):
        services.uploads.cancel("ana", upload.id)
    services.uploads.delete("ana", upload.id)
    assert services.uploads.views_of_person("ana", limit=10) == []
    assert now(services, upload).state is UploadState.JOINED
    assert song_of(services, upload.song_id).has_stems


def test_uploads_of_others_are_not_revealed(services: Services) -> None:
    upload = sent(services)
    acts: tuple[Callable[[Uploads, str, str], object], ...] = (
        Uploads.owned,
        Uploads.cancel,
        Uploads.delete,
        Uploads.retry,
    )
    for act in acts:
        with pytest.raises(NotFound) as caught:
            act(services.uploads, "berta", upload.id)
        assert caught.value.code == "no-such-upload"
    assert now(services, upload) == upload


def test_a_failed_one_can_be_tried_again_with_a_new_attempt(services: Services) -> None:
    upload = services.uploads.retry("ana", failed(services).id)
    assert (upload.state, upload.attempt, upload.failure) == (UploadState.RECEIVED, 2, None)
    services.flush()
    assert [data_of(event)["attempt"] for event in published(services) if event.type == "upload.received"] == [1, 2]
    with pytest.raises(Refused, match="cannot-retry"):
        services.uploads.retry("ana", upload.id)


def test_without_its_file_it_cannot_be_tried_again(services: Services) -> None:
    upload = failed(services, keep_file=False)
    assert not services.uploads.view(upload).can_retry
    with pytest.raises(Refused, match="file-gone"):
        services.uploads.retry("ana", upload.id)
    assert services.uploads.revive(upload.id).state is UploadState.FAILED


def test_a_separation_that_failed_is_tried_again_from_there(services: Services) -> None:
    upload = matched(services, sent(services))
    separation = separation_of(services, song_of(services, upload.song_id).separation_id)
    services.separations.fail(separation, Failure("out-of-memory", {"device": "CPU"}))
    seen = services.uploads.view(upload)
    assert (seen.status, seen.failure) == (Status.FAILED, Failure("out-of-memory", {"device": "CPU"}))
    services.uploads.retry("ana", upload.id)
    assert separation_of(services, separation.id).state is SeparationState.REQUESTED
    assert services.uploads.view(now(services, upload)).status is Status.QUEUED


def test_trying_again_takes_the_model_that_the_server_has_now(services: Services) -> None:
    upload = matched(services, sent(services), model="htdemucs")
    missing = separation_of(services, song_of(services, upload.song_id).separation_id)
    services.separations.fail(missing, Failure("model-unavailable", {"model": "htdemucs", "reason": "none"}))
    services.uploads.retry("ana", upload.id, "spleeter-2stems")
    tried = separation_of(services, song_of(services, upload.song_id).separation_id)
    assert (tried.model, tried.state) == ("spleeter-2stems", SeparationState.REQUESTED)
    assert separation_of(services, missing.id).state is SeparationState.FAILED


def test_the_queue_counts_from_one(services: Services, clock: Clock) -> None:
    waiting = []
    for number in range(3):
        clock.advance(1)
        waiting.append(matched(services, sent(services, data=bytes([number])), an_analysis(number)))
    views = [services.uploads.view(upload) for upload in waiting]
    assert [(view.status, view.queue_position) for view in views] == [(Status.QUEUED, place) for place in (1, 2, 3)]


def test_a_list_is_newest_first(services: Services, clock: Clock) -> None:
    first = sent(services, data=b"1")
    clock.advance(1)
    second = sent(services, data=b"2")
    assert [view.upload.id for view in services.uploads.views_of_person("ana", limit=10)] == [second.id, first.id]


def test_a_lost_event_is_published_again_and_is_the_same(services: Services) -> None:
    upload = sent(services)
    services.uploads.republish(upload)
    first, second = published(services)
    assert first == second


def test_a_lost_event_of_an_analysis_is_published_again_and_nothing_is_analysed_again(services: Services) -> None:
    upload = sent(services)
    first = fingerprinted(services, upload, an_analysis())
    services.uploads.republish(now(services, upload))
    assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.FINGERPRINTED, 1)
    assert published(services, "matching") == [first, first]
    match(services, first)
    assert now(services, upload).state is UploadState.JOINED


def test_an_analysis_that_is_gone_is_made_again(services: Services) -> None:
    upload = sent(services)
    begun = services.upload_analyses.begin(upload.id, 1)
    assert begun is not None
    services.upload_analyses.finish(begun, replace(an_analysis(), id="of another file"))
    for _ in range(2):
        services.matching.match(upload.id, 1)
    again = now(services, upload)
    assert (again.state, again.attempt) == (UploadState.RECEIVED, 2)
