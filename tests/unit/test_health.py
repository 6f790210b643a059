"""Whether the engines answer, found out within a bound whatever they do."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from demixer.domain.errors import Transient
from demixer.ports import EventLog, SearchIndex
from demixer.services import metrics
from demixer.services.health import Health, checks_of
from demixer.services.metrics import Inventory, exposition
from demixer.wiring import Services, build_services
from tests.steps import sent
from tests.wired import Clock

NEEDED = ("catalogue", "events")


class Engine:
    """Does what the test says, whatever it is asked."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then, self.asked = then, 0

    def __getattr__(self, name: str) -> Any:
        def ask(*args: object, **named: object) -> object:
            self.asked += 1
            return self.then()

        return ask


def down() -> object:
    raise Transient(reason="connection refused")


def with_events(services: Services, engine: Engine) -> Services:
    return build_services(replace(services.adapters, events=cast(EventLog, engine)))


def health_of(services: Services, **changes: float) -> Health:
    engines = services.adapters
    checks = checks_of(engines.catalogue, engines.accounts, engines.files, engines.events, engines.search)
    return Health(checks, needed=NEEDED, **changes)


@pytest.fixture
def hanging() -> Iterator[Engine]:
    """Answers nothing until the test is over."""
    over = threading.Event()
    yield Engine(lambda: over.wait(60))
    over.set()


def test_a_service_whose_engines_answer_is_ready(services: Services) -> None:
    report = services.health(needed=NEEDED).report()
    assert report.ready
    assert set(report.engines) == {"catalogue", "accounts", "files", "events", "search"}
    assert report.body()["warnings"] == []


def test_an_engine_that_is_needed_and_down_makes_it_unready_and_says_no_more_than_its_name(services: Services) -> None:
    report = with_events(services, Engine(down)).health(needed=NEEDED).report()
    assert not report.ready
    assert report.body()["engines"]["events"] == "down"
    assert "refused" not in str(report.body())


def test_an_engine_that_is_not_needed_and_down_is_a_warning(services: Services) -> None:
    adapters = replace(services.adapters, search=cast(SearchIndex, Engine(down)))
    report = build_services(adapters).health(needed=NEEDED).report()
    assert report.ready
    assert report.body()["warnings"] == ["search"]


def test_an_engine_that_hangs_holds_up_nobody_and_is_not_asked_again(services: Services, hanging: Engine) -> None:
    health = health_of(with_events(services, hanging), patience=0.05, fresh=0)
    began = time.monotonic()
    for _ in range(3):
        assert health.report().engines["events"] is False
    assert time.monotonic() - began < 2
    assert hanging.asked == 1


def test_an_answer_is_used_again_for_a_moment(services: Services) -> None:
    engine = Engine(dict)
    health = health_of(with_events(services, engine), fresh=60)
    assert [health.report().ready for _ in range(5)] == [True] * 5
    assert engine.asked == 1


def test_the_log_says_once_that_an_engine_went_and_why_and_once_that_it_came_back(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(down)
    health = health_of(with_events(services, engine), fresh=0)
    with caplog.at_level(logging.WARNING, "demixer.services.health"):
        health.report()
        health.report()
        engine.then = dict
        health.report()
    assert [record.getMessage() for record in caplog.records] == [
        "events does not answer: try-again (reason='connection refused')",
        "events answers again",
    ]


def values(services: Services) -> dict[str, float]:
    """What Prometheus would read, by series."""
    registry = CollectorRegistry()
    registry.register(Inventory(services.catalogue, services.events, health_of(services, fresh=0), services.clock))
    lines = exposition(registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_the_queue_can_be_read(services: Services, clock: Clock) -> None:
    first = services.separations.request("song-1", "htdemucs")
    clock.advance(30)
    services.separations.request("song-2", "htdemucs")
    services.separations.request("song-3", "htdemucs")
    assert services.separations.claim(first, "somebody") is None, "there is no such song"
    clock.advance(12)
    found = values(services)
    assert found["demixer_separations_waiting"] == 3
    assert found["demixer_separations_running"] == 0
    assert found["demixer_separations_oldest_wait_seconds"] == 42


def test_an_empty_queue_waits_for_nothing(services: Services) -> None:
    found = values(services)
    assert found["demixer_separations_waiting"] == found["demixer_separations_oldest_wait_seconds"] == 0


def test_lag_is_reported_by_group_and_topic(services: Services) -> None:
    services.events.subscribe(["uploads"], group="fingerprint", member="one").close()
    for number in range(3):
        sent(services, data=f"song {number}".encode())
    assert values(services)['demixer_consumer_lag{group="fingerprint",topic="uploads"}'] == 3


def test_what_could_not_be_published_is_counted_up_to_a_bound(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = with_events(services, Engine(down))
    for number in range(3):
        sent(stuck, data=f"song {number}".encode())
    found = values(stuck)
    assert found["demixer_outbox_events"] == 3
    assert found['demixer_engine_up{engine="events"}'] == 0
    assert not any(name.startswith("demixer_consumer_lag{") for name in found)
    monkeypatch.setattr(metrics, "OUTBOX_LIMIT", 2)
    assert values(stuck)["demixer_outbox_events"] == 2


def test_an_engine_that_goes_while_it_is_read_leaves_its_numbers_out(services: Services) -> None:
    answers: Sequence[Callable[[], object]] = [dict, down]
    rest = iter(answers)
    flaky = Engine(lambda: next(rest)())
    found = values(with_events(services, flaky))
    assert found['demixer_engine_up{engine="events"}'] == 1
    assert "demixer_separations_waiting" in found
    assert not any(name.startswith("demixer_consumer_lag{") for name in found)
