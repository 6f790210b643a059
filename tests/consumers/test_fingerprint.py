from pathlib import Path

import pytest

from consumers import fingerprint
from demixer.domain import Failure, Status, Tags, Upload, UploadState
from demixer.domain.errors import StorageFull, Transient
from demixer.services import analyses, uploads
from demixer.services.uploads import IncomingFile
from demixer.wiring import House
from tests import audio_samples
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.houses import Clock, data_of, published
from tests.ways import keys, now, sent

SECONDS = 6.0


@pytest.fixture
def song(tmp_path: Path) -> bytes:
    sound = audio_samples.music(SECONDS)
    return audio_samples.write(tmp_path / "song.flac", sound, "-metadata", "title=From the tags").read_bytes()


def fingerprints(house: House, clock: Clock) -> None:
    drained(house, clock, fingerprint.consumer(house))


def failure(house: House, upload: Upload) -> Failure | None:
    return uploads.view(house, now(house, upload)).failure


def test_a_song_is_decoded_and_told_of(house: House, clock: Clock, song: bytes) -> None:
    upload = sent(house, data=song)
    fingerprints(house, clock)
    (event,) = published(house, "matching")
    assert (event.type, event.subject) == ("upload.fingerprinted", upload.id)
    assert data_of(event)["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert data_of(event)["tags"]["title"] == "From the tags"
    assert now(house, upload).state is UploadState.FINGERPRINTED


def test_what_the_person_typed_wins(house: House, clock: Clock, song: bytes) -> None:
    incoming = IncomingFile(house)
    incoming.write(song)
    uploads.receive(house, "ana", "x.flac", incoming, Tags(title="Typed"))
    fingerprints(house, clock)
    assert published(house, "matching")[0].data["tags"]["title"] == "Typed"


def test_its_event_delivered_twice_tells_once(house: House, clock: Clock, song: bytes) -> None:
    sent(house, data=song)
    publish(house, *published(house))
    fingerprints(house, clock)
    assert len(published(house, "matching")) == 1


def test_a_file_that_is_no_song_is_refused_with_why_and_forgotten(house: House, clock: Clock) -> None:
    upload = sent(house, data=b"%PDF-1.7 not a song at all")
    publish(house, *published(house))
    fingerprints(house, clock)
    assert failure(house, upload) == Failure("not-audio")
    assert keys(house) == set()
    assert [event.type for event in published(house, "uploads")].count("upload.rejected") == 1
    assert letters(house, "uploads") == []


def test_a_file_that_is_gone_fails_with_why(house: House, clock: Clock) -> None:
    upload = sent(house)
    house.files.delete(upload.audio_key)
    fingerprints(house, clock)
    assert failure(house, upload) == Failure("file-gone")


def test_a_cancelled_upload_is_not_decoded(house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = sent(house)
    uploads.cancel(house, "ana", upload.id)
    monkeypatch.setattr(fingerprint, "listen", lambda *_: pytest.fail("it was decoded"))
    fingerprints(house, clock)
    assert now(house, upload).state is UploadState.CANCELLED


def test_a_disk_that_stays_full_fails_the_upload_but_keeps_its_file(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house)
    loop = loop_of(house, fingerprint.consumer(house), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(fingerprint, "listen", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    seen = uploads.view(house, now(house, upload))
    assert (seen.status, seen.failure, seen.can_retry) == (Status.FAILED, Failure("storage-full"), True)
    assert len(letters(house, "uploads")) == 1


def test_a_decoder_that_was_killed_is_asked_again(
    house: House, clock: Clock, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house, data=song)
    loop = loop_of(house, fingerprint.consumer(house), clock)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "examine", lambda *_, **__: (_ for _ in ()).throw(Transient("took-too-long")))
        steps(loop, 5)
    assert now(house, upload).state is UploadState.FINGERPRINTING
    clock.advance(1)
    steps(loop, 5)
    assert now(house, upload).state is UploadState.FINGERPRINTED


@pytest.mark.parametrize("killed_in", ["keep_bytes", "fingerprinted"])
def test_killed_anywhere_the_next_process_completes_it(
    house: House, clock: Clock, song: bytes, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    sent(house, data=song)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    where = {"keep_bytes": (fingerprint, "_keep_cover"), "fingerprinted": (analyses, "finish")}
    with monkeypatch.context() as patch:
        patch.setattr(*where[killed_in], killed)
        loop = loop_of(house, fingerprint.consumer(house), clock)
        with pytest.raises(Killed):
            steps(loop)
        loop._subscription.close()  # kill -9: nothing else happens
    fingerprints(house, clock)
    assert len(published(house, "matching")) == 1
