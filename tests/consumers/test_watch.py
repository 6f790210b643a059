"""Metrics of a consumer process, ids in its log lines, and its health."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from consumers import registry
from consumers.framework import instrumentation, metrics, outcome_handler, status
from consumers.framework.loop import STUCK_SECONDS, Loop
from consumers.framework.periodic import PeriodicTask, Timer
from consumers.framework.process import Runnable
from consumers.framework.status import Status
from consumers.registry import build
from demixer.domain import Event, Failure, events
from demixer.domain.errors import ConfigurationError, NotFound, Transient
from demixer.ports import SearchIndex
from demixer.runtime import logs
from demixer.wiring import Services, build_services
from schemas.topics import all_topics
from tests.consumers.driving import ByHand, Recorder, loop_of, publish_bytes, some_uploads, steps
from tests.ports import free_port
from tests.steps import sent
from tests.wired import Clock, services_in


class Counts:
    """What was counted since the test began: the numbers are the process's."""

    def __init__(self) -> None:
        self._before = self._now()

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self._now().get(key, 0.0) - self._before.get(key, 0.0)

    def _now(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in metrics.REGISTRY.collect()
            for sample in family.samples
        }


@pytest.fixture
def counts() -> Counts:
    return Counts()


def raising(error: Exception) -> Callable[[Event, Any], object]:
    def then(event: Event, context: Any) -> None:
        raise error

    return then


def instrumented_loop(services: Services, clock: Clock, recorder: Recorder) -> Loop:
    return loop_of(services, instrumentation.instrumented(recorder.consumer(), clock), clock)


def test_what_is_handled_is_counted_with_its_type_its_age_and_its_time(
    services: Services, clock: Clock, counts: Counts
) -> None:
    some_uploads(services, 3)
    clock.advance(20)
    steps(instrumented_loop(services, clock, Recorder()))
    which = {"consumer": "test", "type": "upload.received"}
    assert counts("demixer_messages_total", **which, outcome="done") == 3
    assert counts("demixer_handling_seconds_count", **which) == 3
    assert counts("demixer_message_age_seconds_sum", **which) == 60
    assert counts("demixer_messages_in_hand", consumer="test") == 0


def test_a_retry_and_a_dead_letter_are_counted_as_such(services: Services, clock: Clock, counts: Counts) -> None:
    some_uploads(services, 1)
    loop = instrumented_loop(services, clock, Recorder(raising(Transient(reason="busy"))))
    steps(loop, 3)
    which = {"consumer": "test", "type": "upload.received"}
    assert counts("demixer_messages_total", **which, outcome="retry") == 1
    some_uploads(services, 4)
    refusing = Recorder(raising(NotFound())).consumer(name="refusing")
    steps(loop_of(services, instrumentation.instrumented(refusing, clock), clock))
    assert counts("demixer_messages_total", consumer="refusing", type="upload.received", outcome="dead") == 5


def test_labels_are_a_bounded_number_whatever_is_sent(services: Services, clock: Clock, counts: Counts) -> None:
    for number in range(3):
        publish_bytes(services, "uploads", b"no event", type=f"made.up.{number}")
    steps(instrumented_loop(services, clock, Recorder()))
    assert counts("demixer_messages_total", consumer="test", type="other", outcome="dead") == 3


def test_failures_are_counted_by_their_reason(services: Services, counts: Counts) -> None:
    upload = sent(services)
    for code in ("not-audio", "made-up-by-somebody"):
        metrics.count_failure(events.upload_rejected(upload, Failure(code), services.clock()))
    assert counts("demixer_failures_total", type="upload.rejected", code="not-audio") == 1
    assert counts("demixer_failures_total", type="upload.rejected", code="other") == 1


def test_the_speed_of_a_separation_is_told_for_each_second_of_sound(counts: Counts) -> None:
    metrics.separated("htdemucs", "CPU", seconds=30, audio=240)
    labels = {"model": "htdemucs", "device": "CPU"}
    assert counts("demixer_separation_seconds_per_audio_second_sum", **labels) == pytest.approx(0.125)


def test_lines_within_a_handler_and_about_its_end_carry_the_ids_of_the_event(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, str]] = []
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(outcome_handler.log, "error", lambda *args: logged.append(dict(logs.ids())))

    def then(event: Event, context: Any) -> None:
        seen.append(dict(logs.ids()))
        raise NotFound

    (upload,) = some_uploads(services, 1)
    logs.begin()
    steps(instrumented_loop(services, clock, Recorder(then)))
    expected = {"consumer": "test", "event": events.upload_received(upload).id, "upload": upload.id}
    assert seen == [expected]
    assert logged == [expected]
    assert logs.ids() == {}


def test_every_event_that_took_some_time_has_a_log_line(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken = iter([0.0001, 0.00009])
    seconds = iter([begin_or_end for one in taken for begin_or_end in (0.0, one)])
    monkeypatch.setattr(instrumentation, "perf_counter", lambda: next(seconds))
    some_uploads(services, 2)
    with caplog.at_level(logging.INFO, "consumers.framework.instrumentation"):
        steps(instrumented_loop(services, clock, Recorder()))
    assert [record.getMessage() for record in caplog.records] == ["upload.received handled in 0.000 s"]


def test_messages_in_progress_are_counted_while_they_are(services: Services, clock: Clock, counts: Counts) -> None:
    seen: list[float] = []
    some_uploads(services, 1)
    recorder = Recorder(lambda event, context: seen.append(counts("demixer_messages_in_hand", consumer="test")))
    loop = instrumented_loop(services, clock, recorder)
    steps(loop)
    assert seen == [1]
    assert counts("demixer_messages_in_hand", consumer="test") == 0
    by_hand = ByHand()
    some_uploads(services, 2)
    beside = instrumentation.instrumented(Recorder().consumer(name="beside"), clock)
    steps(loop_of(services, beside, clock, executor=by_hand), 3)
    assert counts("demixer_messages_in_hand", consumer="beside") == 1


def stuck(running: Runnable) -> bool:
    return running.stuck


def test_a_loop_that_no_longer_polls_is_stuck(services: Services, clock: Clock) -> None:
    loop = loop_of(services, Recorder().consumer(), clock)
    steps(loop, 1)
    assert not stuck(loop)
    clock.advance(STUCK_SECONDS + 1)
    assert stuck(loop)
    steps(loop, 1)
    assert not stuck(loop)


def test_a_timer_may_take_longer_and_is_stuck_too_in_the_end(clock: Clock) -> None:
    timer = Timer("maintenance", [PeriodicTask("look", 1, lambda: None)], clock.monotonic)
    clock.advance(STUCK_SECONDS + 1)
    assert not stuck(timer)
    clock.advance(3600)
    assert stuck(timer)
    timer._run_once()
    assert not stuck(timer)


class Down:
    def search(self, *args: object, **named: object) -> object:
        raise Transient(reason="connection refused")


def ready(
    services: Services, *, needed: tuple[str, ...] = registry.NEEDED, stuck: tuple[str, ...] = ()
) -> tuple[int, Any]:
    code, _, body = Status(services.health(needed=needed), lambda: stuck).respond("/readyz")
    return code, json.loads(body)


def test_it_is_ready_when_no_loop_is_stuck_and_its_engines_answer(services: Services) -> None:
    assert ready(services)[0] == 200
    code, body = ready(services, stuck=("match",))
    assert (code, body["stuck"], body["ready"]) == (503, ["match"], False)


def test_only_the_index_consumer_needs_the_search_engine(services: Services) -> None:
    searchless = build_services(replace(services.adapters, search=cast(SearchIndex, Down())))
    assert ready(searchless)[0] == 200
    assert ready(searchless, needed=(*registry.NEEDED, "search"))[0] == 503


@pytest.fixture
def served(tmp_path: Path) -> Iterator[int]:
    """A process with all consumers, made and not run; its port."""
    port = free_port()
    with services_in(tmp_path, metrics_port=port) as services, ExitStack() as held:
        registry.consumers_of(services, registry.NAMES, held)
        yield port


def get(port: int, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_all_of_it_is_served_at_the_port(served: int) -> None:
    assert get(served, "/healthz")[::2] == (200, "ok\n")
    code, kind, body = get(served, "/readyz")
    assert (code, kind, json.loads(body)["ready"]) == (200, "application/json", True)
    code, kind, body = get(served, "/metrics?name[]=x")
    assert code == 200
    assert kind.startswith("text/plain; version=")
    assert "demixer_messages_total" in body
    assert get(served, "/secrets")[0] == 404


def test_the_port_is_free_again_afterwards_and_one_that_is_taken_is_an_error_at_start(tmp_path: Path) -> None:
    port = free_port()
    with services_in(tmp_path, metrics_port=port) as services:
        with ExitStack() as held:
            registry.consumers_of(services, ["match"], held)
            with ExitStack() as second, pytest.raises(ConfigurationError, match="METRICS_PORT"):
                registry.consumers_of(services, ["index"], second)
        with ExitStack() as held:
            registry.consumers_of(services, ["match"], held)
            assert get(port, "/healthz")[0] == 200


def test_without_a_port_nothing_listens(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_open", lambda *args: pytest.fail("somebody listens"))
    with ExitStack() as held:
        registry.consumers_of(services, ["match"], held)


def test_the_topics_name_the_groups_that_read_them(services: Services) -> None:
    reads: dict[str, set[str]] = {name: set() for name in all_topics()}
    for name, make in registry._CONSUMERS.items():
        made = make(services, "test-1")
        made.close()
        for topic in made.topics:
            reads[topic].add(name)
    assert {topic.name: {*topic.readers, *topic.optional_readers} for topic in all_topics().values()} == reads


def test_the_consumers_that_the_service_runs_are_instrumented(services: Services, counts: Counts) -> None:
    sent(services)
    with ExitStack() as held:
        loop = build("fingerprint", services, held)
        assert isinstance(loop, Loop)
        steps(loop, 1)
        loop._finish()
        loop._leave()
    assert counts("demixer_message_age_seconds_count", consumer="fingerprint", type="upload.received") == 1
