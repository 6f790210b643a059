from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demixer.domain import Analysis, Failure, Status, Tags, Upload, UploadState
from demixer.domain.errors import StorageFull, Transient
from demixer.services import file_analyser
from demixer.services.file_analyser import samples_key
from demixer.wiring import Services, build_services
from schemas.events import UploadFingerprinted
from tests import audio_samples
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters, loop_of, publish, steps
from tests.steps import keys, now, sent, song_of
from tests.wired import Clock, published

SECONDS = 6.0


@pytest.fixture
def song(tmp_path: Path) -> bytes:
    sound = audio_samples.music(SECONDS)
    return audio_samples.write(tmp_path / "song.flac", sound, "-metadata", "title=From the tags").read_bytes()


def fingerprint_all(services: Services, clock: Clock) -> None:
    drained(services, clock, consumers_of.fingerprint(services))


def analysis_of(services: Services, upload: Upload) -> Analysis:
    """The one that the upload's event is about."""
    (event,) = [event for event in published(services, "matching") if event.subject == upload.id]
    assert isinstance(event.data, UploadFingerprinted)
    assert event.data.analysis_id == upload.sha256
    analysis = services.catalogue.analyses.get(event.data.analysis_id)
    assert analysis is not None
    return analysis


def failure(services: Services, upload: Upload) -> Failure | None:
    return services.uploads.view(now(services, upload)).failure


def test_a_song_is_decoded_and_its_analysis_published(services: Services, clock: Clock, song: bytes) -> None:
    upload = sent(services, data=song)
    fingerprint_all(services, clock)
    (event,) = published(services, "matching")
    assert (event.type, event.subject) == ("upload.fingerprinted", upload.id)
    analysis = analysis_of(services, upload)
    assert analysis.duration == pytest.approx(SECONDS, abs=0.1)
    assert analysis.tags.title == "From the tags"
    assert now(services, upload).state is UploadState.FINGERPRINTED


def test_what_the_person_typed_wins(services: Services, clock: Clock, song: bytes) -> None:
    incoming = services.uploads.incoming()
    incoming.write(song)
    upload = services.uploads.receive("ana", "x.flac", incoming, Tags(title="Typed"))
    services.flush()
    drained(services, clock, consumers_of.fingerprint(services), consumers_of.match(services))
    assert song_of(services, now(services, upload).song_id).tags.title == "Typed"


def test_a_file_that_says_nothing_is_called_as_it_is_named(services: Services, clock: Clock, tmp_path: Path) -> None:
    data = audio_samples.write(tmp_path / "song.flac", audio_samples.music(SECONDS)).read_bytes()
    upload = sent(services, data=data, filename="Somebody - Something.flac")
    drained(services, clock, consumers_of.fingerprint(services), consumers_of.match(services))
    assert analysis_of(services, upload).tags == Tags()
    assert song_of(services, now(services, upload).song_id).tags == Tags(artist="Somebody", title="Something")


def test_its_event_delivered_twice_publishes_once(services: Services, clock: Clock, song: bytes) -> None:
    sent(services, data=song)
    publish(services, *published(services))
    fingerprint_all(services, clock)
    assert len(published(services, "matching")) == 1


def test_a_file_that_is_no_song_is_refused_with_why_and_forgotten(services: Services, clock: Clock) -> None:
    upload = sent(services, data=b"%PDF-1.7 not a song at all")
    publish(services, *published(services))
    fingerprint_all(services, clock)
    assert failure(services, upload) == Failure("not-audio")
    assert keys(services) == set()
    assert [event.type for event in published(services, "uploads")].count("upload.rejected") == 1
    assert letters(services, "uploads") == []


def test_a_file_that_is_gone_fails_with_why(services: Services, clock: Clock) -> None:
    upload = sent(services)
    services.files.delete(upload.audio_key)
    fingerprint_all(services, clock)
    assert failure(services, upload) == Failure("file-gone")


def test_a_cancelled_upload_is_not_decoded(services: Services, clock: Clock, decoded: list[Path]) -> None:
    upload = sent(services)
    services.uploads.cancel("ana", upload.id)
    fingerprint_all(services, clock)
    assert now(services, upload).state is UploadState.CANCELLED
    assert decoded == []


def test_a_disk_that_stays_full_fails_the_upload_but_keeps_its_file(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    loop = loop_of(services, consumers_of.fingerprint(services), clock)

    def full(*_: object) -> None:
        raise StorageFull

    monkeypatch.setattr(services.analyser, "analyse", full)
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
    loop = loop_of(services, consumers_of.fingerprint(services), clock)
    with monkeypatch.context() as patch:
        patch.setattr(
            file_analyser, "decode_and_fingerprint", lambda *_, **__: (_ for _ in ()).throw(Transient("took-too-long"))
        )
        steps(loop, 5)
    assert now(services, upload).state is UploadState.FINGERPRINTING
    clock.advance(1)
    steps(loop, 5)
    assert now(services, upload).state is UploadState.FINGERPRINTED


# --- decoded once -----------------------------------------------------------------------------------------------------


def test_a_file_that_is_compared_again_is_not_decoded_again(
    services: Services, clock: Clock, song: bytes, decoded: list[Path]
) -> None:
    upload = sent(services, data=song)
    fingerprint_all(services, clock)
    before = services.catalogue.analyses.get(upload.sha256)
    for attempt in (2, 3):
        services.matching.reanalyse(now(services, upload))
        services.flush()
        fingerprint_all(services, clock)
        again = now(services, upload)
        assert (again.state, again.attempt) == (UploadState.FINGERPRINTED, attempt)
    assert len(decoded) == 1
    assert services.catalogue.analyses.get(upload.sha256) == before


def test_the_same_file_of_two_people_is_decoded_once(
    services: Services, clock: Clock, song: bytes, decoded: list[Path]
) -> None:
    both = [sent(services, person, song) for person in ("ana", "berta")]
    fingerprint_all(services, clock)
    assert len(decoded) == 1
    assert [now(services, upload).state for upload in both] == [UploadState.FINGERPRINTED] * 2


def test_its_samples_are_stored_until_it_has_joined_a_song(services: Services, clock: Clock, song: bytes) -> None:
    upload = sent(services, data=song)
    fingerprint_all(services, clock)
    assert samples_key(upload.sha256) in keys(services)
    drained(services, clock, consumers_of.match(services))
    assert now(services, upload).state is UploadState.JOINED
    assert keys(services) == {upload.audio_key}


def test_a_file_whose_samples_were_lost_is_decoded_again(
    services: Services, clock: Clock, song: bytes, decoded: list[Path]
) -> None:
    upload = sent(services, data=song)
    fingerprint_all(services, clock)
    services.files.delete(samples_key(upload.sha256))
    services.matching.reanalyse(now(services, upload))
    services.flush()
    fingerprint_all(services, clock)
    assert len(decoded) == 2
    assert now(services, upload).state is UploadState.FINGERPRINTED


# --- killed in the middle ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def killed_before(*_: object) -> None:
    raise Killed


def killed_after(call: Callable[..., object]) -> Callable[..., None]:
    def killed(*arguments: object) -> None:
        call(*arguments)
        raise Killed

    return killed


@pytest.mark.parametrize("step", ["store_bytes", "cover", "analysis", "finish"])
def test_killed_anywhere_the_next_process_completes_it(
    services: Services, clock: Clock, song: bytes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    upload = sent(services, data=song)
    analyses = services.catalogue.analyses
    where: dict[str, tuple[Any, str, Callable[..., None]]] = {
        "store_bytes": (file_analyser, "store_bytes", killed_before),
        "cover": (services.analyser, "_store_cover", killed_before),
        "analysis": (analyses, "save", killed_after(analyses.save)),
        "finish": (services.upload_analyses, "finish", killed_before),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*where[step])
        loop = loop_of(services, consumers_of.fingerprint(services), clock)
        with pytest.raises(Killed):
            steps(loop)
        loop._subscription.close()  # kill -9: nothing else happens
    fingerprint_all(build_services(services.adapters), clock)
    assert len(published(services, "matching")) == 1
    assert analysis_of(services, upload).tags.title == "From the tags"
