"""Lines of the log: for people or as JSON, with the ids of what they are about."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from demixer.runtime import logs

log = logging.getLogger("tests.logs")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards the log is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # `set_up` closes those it finds
    logs.begin()
    yield io.StringIO()
    logs.begin()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_says_when_where_and_what_it_is_about(stream: io.StringIO) -> None:
    logs.set_up("json", stream=stream)
    with logs.about(upload="u1", song=None, event=""):
        log.info("read %d bytes", 7, extra={"fields": {"seconds": 0.5}})
    (line,) = lines(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "tests.logs",
        "message": "read 7 bytes",
        "upload": "u1",
        "seconds": 0.5,
    }


def test_an_error_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    logs.set_up("json", stream=stream)
    try:
        raise KeyError("bug")
    except KeyError:
        log.exception("that was\ntoo much")
    (line,) = lines(stream)
    assert line["message"] == "that was\ntoo much"
    assert line["error"].endswith("KeyError: 'bug'")


def test_a_line_for_people_ends_with_the_ids(stream: io.StringIO) -> None:
    logs.set_up("text", stream=stream)
    with logs.about(upload="u1", consumer="match"):
        log.warning("slow")
    assert stream.getvalue().endswith(" WARNING tests.logs: slow [consumer=match upload=u1]\n")


def test_an_id_cannot_forge_a_line(stream: io.StringIO) -> None:
    logs.set_up("text", stream=stream)
    with logs.about(song="x\n2026-11-24 ERROR forged\x1b[2J\u2028" + "y" * 500):
        log.info("asked")
    (line,) = stream.getvalue().splitlines()
    assert r"[song=x\n2026-11-24 ERROR forged\x1b[2J\u2028y" in line
    assert len(line) < 250


def test_a_name_cannot_forge_a_line(stream: io.StringIO) -> None:
    logs.set_up("text", stream=stream)
    log.info("refused %s", "a.mp3\n2026-11-24 ERROR forged\x1b[2J")
    assert stream.getvalue().splitlines()[0].endswith(r"a.mp3\n2026-11-24 ERROR forged\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1


def test_what_was_noted_ends_with_the_work_around_it() -> None:
    logs.begin(request="r")
    with logs.about(event="e"):
        logs.note(song="s")
        assert logs.ids() == {"request": "r", "event": "e", "song": "s"}
    assert logs.ids() == {"request": "r"}
    logs.begin()
    assert logs.ids() == {}


def test_every_thread_has_ids_of_its_own() -> None:
    seen: list[logs.Ids] = []
    with logs.about(event="e"):
        thread = threading.Thread(target=lambda: seen.append(logs.ids()))
        thread.start()
        thread.join()
    assert seen == [{}]


def test_libraries_that_log_every_request_are_silenced(stream: io.StringIO) -> None:
    logs.set_up("json", stream=stream)
    logging.getLogger("elastic_transport.transport").info("POST http://elastic:secret@search:9200/songs/_search")
    logging.getLogger("some.library").info("connected")
    assert [line["message"] for line in lines(stream)] == ["connected"]


def test_a_warning_of_python_is_a_line_like_all_others(stream: io.StringIO) -> None:
    logs.set_up("json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert [line["logger"] for line in lines(stream)] == ["py.warnings"]
