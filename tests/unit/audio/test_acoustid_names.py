import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import acoustid
import numpy as np
import pytest

from demixer.adapters.acoustid import names
from demixer.adapters.acoustid.names import look_up
from demixer.domain import Tags
from demixer.recognition.chromaprint_encoding import encode_fingerprint
from demixer.recognition.fingerprint import Fingerprint
from tests import acoustid_server
from tests.acoustid_server import KEY, AcoustId, recording, result
from tests.steps import sound

FINGERPRINT = sound(1)  # 120 s
FALCON = Tags(artist="The Easton Ellises", album="EP One", title="Falcon 69")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AcoustId]:
    with acoustid_server.running(monkeypatch) as state:
        yield state


def found() -> Tags | None:
    return look_up(KEY, FINGERPRINT.to_bytes())


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """The one line of the log."""
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.exc_info is None
    line = record.getMessage()
    assert "\n" not in line
    return line


def test_a_recording_that_is_known_has_names(server: AcoustId, caplog: pytest.LogCaptureFixture) -> None:
    server.knows(result(recording()))
    assert found() == FALCON
    assert KEY not in caplog.text


def test_only_the_fingerprint_and_the_duration_are_sent(server: AcoustId) -> None:
    long = sound(2, seconds=300)
    look_up(KEY, long.to_bytes())
    (asked,) = server.asked
    assert asked == {
        "path": "/v2/lookup",
        "format": "json",
        "client": KEY,
        "duration": "300",
        "fingerprint": encode_fingerprint(long.items[:948]),
        "meta": "recordings releasegroups sources compress",
    }


def test_the_real_service_is_asked_over_https() -> None:
    assert acoustid.API_BASE_URL == "https://api.acoustid.org/v2/"


@pytest.mark.parametrize(
    "results",
    [
        [],
        [result(recording(), score=0.89)],
        [result(recording(duration=128))],
        [result(recording(duration=112))],
        [result(recording(duration=None))],
        [result({"id": "without names"})],
        [result(recording(artists=[]))],
        [result(recording(title="\x00\x1b\u202e"))],
        [{"id": "handed in by somebody", "score": 0.99}],
    ],
)
def test_uncertain_names_are_not_given(
    server: AcoustId, results: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    server.knows(*results)
    assert found() == Tags()
    assert caplog.records == []


def test_the_best_match_counts_and_of_its_names_the_most_frequent(server: AcoustId) -> None:
    rare, common = recording("Wrong", sources=1), recording("Right", sources=40, duration=127)
    server.knows(result(recording("Less like", sources=99), score=0.91), result(rare, common, score=0.95))
    said = found()
    assert said
    assert said.title == "Right"


def test_artists_are_joined_as_they_are_written(server: AcoustId) -> None:
    artists = [{"id": "a", "name": "Ana", "joinphrase": " feat. "}, {"id": "b", "name": "Berta"}]
    server.knows(result(recording(artists=artists)))
    said = found()
    assert said
    assert said.artist == "Ana feat. Berta"


@pytest.mark.parametrize(
    ("groups", "album"),
    [
        ([], ""),
        ([{"title": "Hits", "type": "Album", "secondarytypes": ["Compilation"]}], "Hits"),
        (
            [
                {"title": "Hits", "type": "Album", "secondarytypes": ["Compilation"]},
                {"title": "Falcon", "type": "Single"},
                {"title": "EP One", "type": "Album"},
            ],
            "EP One",
        ),
    ],
)
def test_an_album_goes_before_a_single_and_a_compilation(
    server: AcoustId, groups: list[dict[str, Any]], album: str
) -> None:
    server.knows(result(recording(releasegroups=groups)))
    said = found()
    assert said
    assert said.album == album


def test_hostile_names_become_one_short_line(server: AcoustId) -> None:
    server.knows(result(recording("<b>\nA\x1b[31m\u202etxt" + "x" * 100_000, artist=" A \r\n\t B ")))
    said = found()
    assert said
    assert said.artist == "A B"
    assert said.title.startswith("<b> A[31mtxtxxx")
    assert len(said.title) == 300


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "<h1>Internal Server Error</h1>"),
        (502, ""),
        (200, "{"),
        (200, "null"),
        (200, "[]"),
        (200, "{}"),
        (200, '{"status": "ok"}'),
        (200, '{"status": "ok", "results": [{"score": "high"}]}'),
        (200, '{"status": "ok", "results": [{"score": 1, "recordings": [7]}]}'),
        (200, json.dumps(acoustid_server.answer(result(recording(releasegroups=[{"title": 7}]))))),
        (200, "[" * 100_000),
        (400, json.dumps({"status": "error", "error": {"code": 4, "message": f"invalid API key\n{KEY}"}})),
        (429, json.dumps({"status": "error", "error": {"code": 14, "message": "rate limit exceeded"}})),
    ],
)
def test_an_answer_that_cannot_be_used_is_one_line_in_the_log_without_the_key(
    server: AcoustId, status: int, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.status, server.body = status, body
    assert found() is None
    assert logged(caplog).startswith("AcoustID gave no answer: ")
    assert KEY not in caplog.text


def test_an_error_of_the_service_is_logged_in_its_words(server: AcoustId, caplog: pytest.LogCaptureFixture) -> None:
    server.body = json.dumps({"status": "error", "error": {"code": 4, "message": f"invalid API key {KEY}"}})
    assert found() is None
    assert "invalid API key ***" in logged(caplog)


def test_a_service_that_does_not_answer_times_out(
    server: AcoustId, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(names, "TIMEOUT", 0.1)
    server.silent.set()
    began = time.monotonic()
    assert found() is None
    assert time.monotonic() - began < 2
    assert "timed out" in logged(caplog)


def test_a_service_that_cannot_be_reached_is_logged(server: AcoustId, caplog: pytest.LogCaptureFixture) -> None:
    acoustid.set_base_url("http://127.0.0.1:1/v2")
    assert found() is None
    assert "refused" in logged(caplog)


@pytest.mark.parametrize(
    "monotonous", [Fingerprint(FINGERPRINT.items[:100], 13), Fingerprint(np.tile(FINGERPRINT.items[:20], 50), 124.0)]
)
def test_a_fingerprint_that_is_not_distinctive_is_not_looked_up(server: AcoustId, monotonous: Fingerprint) -> None:
    assert look_up(KEY, monotonous.to_bytes()) == Tags()
    assert server.asked == []


def test_a_damaged_fingerprint_is_logged_and_not_looked_up(server: AcoustId, caplog: pytest.LogCaptureFixture) -> None:
    assert look_up(KEY, b"damaged") is None
    assert "fingerprint" in logged(caplog)
    assert server.asked == []


def test_no_system_library_is_needed() -> None:
    """Where there is no libchromaprint, importing `chromaprint` fails."""
    code = "import sys; sys.modules['chromaprint'] = None; from demixer.adapters.acoustid import names"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
