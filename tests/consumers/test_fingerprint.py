from pathlib import Path

import pytest

from consumers import fingerprint
from demixer.domain import Failure, Status, Tags, Upload, UploadState
from demixer.domain.errors import StorageFull, Transient
from demixer.services import analyses
from demixer.wiring import Services
from tests import audio_samples
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.steps import keys, now, sent
from tests.wired import Clock, data_of, published

SECONDS = 6.0


@pytest.fixture
def song(tmp_path: Path) -> bytes:
    sound = audio_samples.music(SECONDS)
    return audio_samples.write(tmp_path / "song.flac", sound, "-metadata", "title=From the tags").read_bytes()


def fingerprints(services: Services, clock: Clock) -> None:
    drained(services, clock, fingerprint.consumer(services))


def failure(services: Services, upload: Upload) -> Failure | None:
    return services.uploads.view(now(services, upload)).failure


def test_a_song_is_decoded_and_told_of(services: Services, clock: Clock, song: bytes) -> None:
    upload = sent(services, data=song)
    fingerprints(services, clock)
    (event,) = published(services, "matching")
    assert (event.type, event.subject) == ("upload.fingerprinted", upload.id)
    assert data_of(event)["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert data_of(event)["tags"]["title"] == "From the tags"
    assert now(services, upload).state is UploadState.FINGERPRINTED


def test_what_the_person_typed_wins(services: Services, clock: Clock, song: bytes) -> None:
    incoming = services.uploads.incoming()
    incoming.write(song)
    services.uploads.receive("ana", "x.flac", incoming, Tags(title="Typed"))
    fingerprints(services, clock)
    assert published(services, "matching")[0].data["tags"]["title"] == "Typed"


def test_its_event_delivered_twice_tells_once(services: Services, clock: Clock, song: bytes) -> None:
    sent(services, data=song)
    publish(services, *published(services))
    fingerprints(services, clock)
    assert len(published(services, "matching")) == 1


def test_a_file_that_is_no_song_is_refused_with_why_and_forgotten(services: Services, clock: Clock) -> None:
    upload = sent(services, data=b"%PDF-1.7 not a song at all")
    publish(services, *published(services))
    fingerprints(services, clock)
    assert failure(services, upload) == Failure("not-audio")
    assert keys(services) == set()
    assert [event.type for event in published(services, "uploads")].count("upload.rejected") == 1
    assert letters(services, "uploads") == []


def test_a_file_that_is_gone_fails_with_why(services: Services, clock: Clock) -> None:
    upload = sent(services)
    services.files.delete(upload.audio_key)
    fingerprints(services, clock)
    assert failure(services, upload) == Failure("file-gone")


def test_a_cancelled_upload_is_not_decoded(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = sent(services)
    services.uploads.cancel("ana", upload.id)
    monkeypatch.setattr(fingerprint, "listen", lambda *_: pytest.fail("it was decoded"))
    fingerprints(services, clock)
    assert now(services, upload).state is UploadState.CANCELLED


def test_a_disk_that_stays_full_fails_the_upload_but_keeps_its_file(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    loop = loop_of(services, fingerprint.consumer(services), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(fingerprint, "listen", full)
    for _ in range(10):
        steps(loop, 5)
        clock.advance(60)
    seen = services.uploads.view(now(services, upload))
    assert (seen.status, seen.failure, seen.can_retry) == (Status.FAILED, Failure("storage-full"), True)
    assert len(letters(services, "uploads")) == 1


def test_a_decoder_that_was_killed_is_asked_again(
    services: Services, clock: Clock, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services, data=song)
    loop = loop_of(services, fingerprint.consumer(services), clock)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "examine", lambda *_, **__: (_ for _ in ()).throw(Transient("took-too-long")))
        steps(loop, 5)
    assert now(services, upload).state is UploadState.FINGERPRINTING
    clock.advance(1)
    steps(loop, 5)
    assert now(services, upload).state is UploadState.FINGERPRINTED


@pytest.mark.parametrize("killed_in", ["store_bytes", "fingerprinted"])
def test_killed_anywhere_the_next_process_completes_it(
    services: Services, clock: Clock, song: bytes, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    sent(services, data=song)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    where = {"store_bytes": (fingerprint, "_keep_cover"), "fingerprinted": (analyses, "finish")}
    with monkeypatch.context() as patch:
        patch.setattr(*where[killed_in], killed)
        loop = loop_of(services, fingerprint.consumer(services), clock)
        with pytest.raises(Killed):
            steps(loop)
        loop._subscription.close()  # kill -9: nothing else happens
    fingerprints(services, clock)
    assert len(published(services, "matching")) == 1
