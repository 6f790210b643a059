from pathlib import Path

import pytest

from demixer.domain import Failure, SeparationState, Status, Tags, Upload, UploadState, events
from demixer.domain.errors import NotFound, Refused, TooLarge
from demixer.services import analyses, removals, separations, uploads
from demixer.services.uploads import IncomingFile
from demixer.wiring import House
from tests.houses import Clock, data_of, house_in, published
from tests.ways import heard, keys, matched, now, sent, separated, separation_of, song_of

HASH = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc", FIPS 180-2, B.1


def failed(house: House, data: bytes = b"a song", *, keep_file: bool = True) -> Upload:
    upload = sent(house, data=data)
    analyses.reject(house, upload, Failure("damaged-audio"), keep_file=keep_file)
    return now(house, upload)


def test_a_file_is_kept_counted_hashed_and_told_of(house: House) -> None:
    upload = sent(house, data=b"abc", filename="x.mp3")
    assert (upload.size, upload.sha256, upload.state) == (3, HASH, UploadState.RECEIVED)
    assert keys(house) == {upload.audio_key}
    assert [(event.type, event.subject) for event in published(house)] == [("upload.received", upload.id)]


def test_a_file_that_is_too_large_is_refused_while_it_arrives_and_leaves_nothing(tmp_path: Path) -> None:
    with house_in(tmp_path, max_upload_mb=1) as house:
        incoming = IncomingFile(house)
        incoming.write(bytes(1024 * 1024))
        with pytest.raises(TooLarge) as caught:
            incoming.write(b"!")
        assert caught.value.params == {"limit_mb": 1}
        assert keys(house) == set()


@pytest.mark.parametrize(("filename", "code"), [("", "no-file"), ("song.mp3", "empty-file")])
def test_nothing_is_no_upload(house: House, filename: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        uploads.receive(house, "ana", filename, IncomingFile(house), Tags())
    assert caught.value.code == code
    assert (keys(house), published(house)) == (set(), [])


def test_what_is_on_its_way_can_be_cancelled_and_tells_so(house: House) -> None:
    upload = sent(house)
    assert uploads.cancel(house, "ana", upload.id).state is UploadState.CANCELLED
    assert [event.type for event in published(house, "matching")] == ["upload.withdrawn"]
    with pytest.raises(Refused, match="cannot-cancel"):
        uploads.cancel(house, "ana", upload.id)


def test_a_song_that_was_removed_is_no_song_of_its_upload(house: House) -> None:
    upload = matched(house, sent(house))
    uploads.cancel(house, "ana", upload.id)
    removals.withdraw(house, events.upload_withdrawn(now(house, upload), house.now()))
    assert song_of(house, upload.song_id).is_removed
    seen = uploads.view(house, now(house, upload))
    assert (seen.song, seen.status) == (None, Status.CANCELLED)


def test_what_is_ready_cannot_be_cancelled_but_deleted(house: House, tmp_path: Path) -> None:
    upload = matched(house, sent(house))
    separated(house, tmp_path / "stems", upload.song_id or "")
    with pytest.raises(Refused, match="cannot-cancel"):
        uploads.cancel(house, "ana", upload.id)
    uploads.delete(house, "ana", upload.id)
    assert uploads.views_of(house, "ana", limit=10) == []
    assert now(house, upload).state is UploadState.JOINED
    assert song_of(house, upload.song_id).has_stems


def test_uploads_of_others_are_not_revealed(house: House) -> None:
    upload = sent(house)
    for act in (uploads.mine, uploads.cancel, uploads.delete, uploads.retry):
        with pytest.raises(NotFound) as caught:
            act(house, "berta", upload.id)
        assert caught.value.code == "no-such-upload"
    assert now(house, upload) == upload


def test_a_failed_one_can_be_tried_again_with_a_new_attempt(house: House) -> None:
    upload = uploads.retry(house, "ana", failed(house).id)
    assert (upload.state, upload.attempt, upload.failure) == (UploadState.RECEIVED, 2, None)
    assert [data_of(event)["attempt"] for event in published(house) if event.type == "upload.received"] == [1, 2]
    with pytest.raises(Refused, match="cannot-retry"):
        uploads.retry(house, "ana", upload.id)


def test_without_its_file_it_cannot_be_tried_again(house: House) -> None:
    upload = failed(house, keep_file=False)
    assert not uploads.view(house, upload).can_retry
    with pytest.raises(Refused, match="file-gone"):
        uploads.retry(house, "ana", upload.id)
    assert uploads.revive(house, upload.id).state is UploadState.FAILED


def test_a_separation_that_failed_is_tried_again_from_there(house: House) -> None:
    upload = matched(house, sent(house))
    separation = separation_of(house, song_of(house, upload.song_id).separation_id)
    separations.fail(house, separation, Failure("out-of-memory", {"device": "CPU"}))
    seen = uploads.view(house, upload)
    assert (seen.status, seen.failure) == (Status.FAILED, Failure("out-of-memory", {"device": "CPU"}))
    uploads.retry(house, "ana", upload.id)
    assert separation_of(house, separation.id).state is SeparationState.REQUESTED
    assert uploads.view(house, now(house, upload)).status is Status.QUEUED


def test_trying_again_takes_the_model_that_the_server_has_now(house: House) -> None:
    upload = matched(house, sent(house), model="htdemucs")
    missing = separation_of(house, song_of(house, upload.song_id).separation_id)
    separations.fail(house, missing, Failure("model-unavailable", {"model": "htdemucs", "reason": "none"}))
    uploads.retry(house, "ana", upload.id, "spleeter-2stems")
    tried = separation_of(house, song_of(house, upload.song_id).separation_id)
    assert (tried.model, tried.state) == ("spleeter-2stems", SeparationState.REQUESTED)
    assert separation_of(house, missing.id).state is SeparationState.FAILED


def test_the_queue_counts_from_one(house: House, clock: Clock) -> None:
    waiting = []
    for number in range(3):
        clock.advance(1)
        waiting.append(matched(house, sent(house, data=bytes([number])), heard(number)))
    views = [uploads.view(house, upload) for upload in waiting]
    assert [(view.status, view.queue_position) for view in views] == [(Status.QUEUED, place) for place in (1, 2, 3)]


def test_a_list_is_newest_first(house: House, clock: Clock) -> None:
    first = sent(house, data=b"1")
    clock.advance(1)
    second = sent(house, data=b"2")
    assert [view.upload.id for view in uploads.views_of(house, "ana", limit=10)] == [second.id, first.id]


def test_a_lost_event_is_announced_again_and_means_the_same(house: House) -> None:
    upload = sent(house)
    uploads.announce_again(house, upload)
    first, second = published(house)
    assert first == second


def test_a_lost_fingerprint_is_made_again(house: House) -> None:
    upload = sent(house)
    begun = analyses.begin(house, published(house)[0])
    assert begun is not None
    analyses.finish(house, begun, heard())
    uploads.announce_again(house, now(house, upload))
    again = now(house, upload)
    assert (again.state, again.attempt) == (UploadState.RECEIVED, 2)
    uploads.announce_again(house, now(house, upload))
    assert now(house, upload).attempt == 2
