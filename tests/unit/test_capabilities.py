"""What the separation workers report, and what web, match and the command line make of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.capability_reporter import CapabilityReporter
from demixer.domain import SeparationWorker, UploadState
from demixer.services.capabilities import LIVE, REPORT_SECONDS
from demixer.wiring import Services
from tests.steps import an_analysis, fingerprinted, match, now, sent, separation_of, song_of
from tests.wired import Clock, a_worker, data_of, published, services_in

LIVE_SECONDS = LIVE.total_seconds()


def report(services: Services, name: str, model: str) -> None:
    services.capabilities.report(a_worker(services.clock(), model, id=name))


@pytest.fixture
def services(tmp_path: Path, clock: Clock) -> Iterator[Services]:
    """Of an installation whose workers have not reported yet."""
    with services_in(tmp_path / "data", clock, worker=False) as opened:
        yield opened


def test_before_the_first_report_nothing_is_known(services: Services) -> None:
    capabilities = services.capabilities
    assert (capabilities.all(), capabilities.best(), capabilities.model_for_new_songs()) == ([], None, None)
    assert capabilities.better_model("spleeter-2stems") is None


def test_the_best_model_of_the_live_workers_is_that_of_new_songs(services: Services) -> None:
    for name, model in (("one", "spleeter-2stems"), ("two", "htdemucs_ft"), ("three", "htdemucs")):
        report(services, name, model)
    best = services.capabilities.best()
    assert best is not None
    assert (best.id, best.stems, services.capabilities.model_for_new_songs()) == (
        "two",
        ("drums", "bass", "other", "vocals"),
        "htdemucs_ft",
    )


def test_a_worker_that_stopped_reporting_does_not_count_while_another_lives(services: Services, clock: Clock) -> None:
    report(services, "gone", "htdemucs")
    clock.advance(LIVE_SECONDS + 1)
    report(services, "here", "spleeter-2stems")
    assert [worker.id for worker in services.capabilities.all()] == ["here"]
    assert services.capabilities.model_for_new_songs() == "spleeter-2stems"


def test_where_none_lives_those_that_did_last_count(services: Services, clock: Clock) -> None:
    report(services, "one", "spleeter-2stems")
    report(services, "two", "htdemucs")
    clock.advance(30 * 24 * 3600)
    assert services.capabilities.model_for_new_songs() == "htdemucs"


def test_a_worker_that_reports_every_minute_never_counts_as_ended(services: Services, clock: Clock) -> None:
    report(services, "here", "spleeter-2stems")
    report(services, "gone", "htdemucs")
    for _ in range(round(LIVE_SECONDS / REPORT_SECONDS) + 1):
        clock.advance(REPORT_SECONDS)
        report(services, "here", "spleeter-2stems")
    assert services.capabilities.model_for_new_songs() == "spleeter-2stems"


def test_a_worker_that_can_run_nothing_says_why_and_gives_no_model(services: Services) -> None:
    services.capabilities.report(a_worker(services.clock(), "", stems=(), device="", problem="DEVICE: no such device"))
    assert [worker.problem for worker in services.capabilities.all()] == ["DEVICE: no such device"]
    assert services.capabilities.best() is None


def test_the_last_report_of_a_worker_replaces_the_one_before(services: Services) -> None:
    report(services, "one", "htdemucs")
    report(services, "one", "spleeter-2stems")
    assert services.capabilities.model_for_new_songs() == "spleeter-2stems"


def test_a_better_model_is_one_that_makes_better_stems(services: Services) -> None:
    report(services, "one", "htdemucs")
    assert services.capabilities.better_model("spleeter-2stems") == "htdemucs"
    assert services.capabilities.better_model("htdemucs") is None
    assert services.capabilities.better_model("htdemucs_ft") is None


# --- uploads that wait for the first report -------------------------------------------------------------------------


def test_a_new_recording_waits_for_a_worker_and_goes_on_without_another_decode(services: Services) -> None:
    upload = sent(services)
    match(services, fingerprinted(services, upload, an_analysis()))
    waiting = now(services, upload)
    assert (waiting.state, waiting.waiting_for, waiting.song_id) == (UploadState.FINGERPRINTED, "worker", None)
    assert published(services, "separations") == []
    report(services, "one", "htdemucs")
    services.matching.resume_waiting("worker")
    again = now(services, upload)
    assert (again.state, again.attempt, again.waiting_for) == (UploadState.RECEIVED, 2, None)
    match(services, fingerprinted(services, again, an_analysis()))
    joined = now(services, upload)
    assert separation_of(services, song_of(services, joined.song_id).separation_id).model == "htdemucs"


def test_a_known_recording_is_matched_meanwhile(services: Services) -> None:
    report(services, "one", "spleeter-2stems")
    first = sent(services, "ana", b"flac")
    match(services, fingerprinted(services, first, an_analysis()))
    services.capabilities.report(a_worker(services.clock(), "", id="one", stems=(), problem="no weights"))
    for data in (b"flac", b"mp3"):
        upload = sent(services, "berta", data)
        match(services, fingerprinted(services, upload, an_analysis()))
        assert now(services, upload).song_id == now(services, first).song_id
    stranger = sent(services, "berta", b"another recording")
    match(services, fingerprinted(services, stranger, an_analysis(2)))
    assert now(services, stranger).waiting_for == "worker"


def test_an_upload_that_waits_can_be_cancelled(services: Services) -> None:
    upload = sent(services)
    match(services, fingerprinted(services, upload, an_analysis()))
    services.uploads.cancel("ana", upload.id)
    services.matching.resume_waiting("worker")
    assert now(services, upload).state is UploadState.CANCELLED


def test_a_report_lets_uploads_that_wait_go_on_and_publishes_that(services: Services) -> None:
    upload = sent(services)
    match(services, fingerprinted(services, upload, an_analysis()))
    found = [a_worker(services.clock(), "", stems=(), problem="no weights"), a_worker(services.clock(), "htdemucs")]

    def describe() -> SeparationWorker:
        return found.pop(0)

    reporter = CapabilityReporter(describe, services.capabilities, services.matching, services.flush)
    reporter.report_once()
    assert now(services, upload).waiting_for == "worker", "this one can run no model"
    reporter.report_once()
    assert now(services, upload).state is UploadState.RECEIVED
    received = [event for event in published(services, "uploads") if event.type == "upload.received"]
    assert [data_of(event)["attempt"] for event in received] == [1, 2]
