"""The log of every process: lines for people, or one JSON object a line, each with the ids of what it is about.

The ids belong to the work a thread is at (a context variable), so every line has them, those of libraries too.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

TEXT, JSON = "text", "json"  # as LOG_FORMAT names them
CHATTY = ("elastic_transport", "httpx", "huggingface_hub", "urllib3")  # at INFO they tell of every request they make
CONTROL = {  # so that no name, and no id of an address, can forge a line
    code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029)
}
ID_LENGTH = 100  # characters of an id that are told

Ids = Mapping[str, str]  # what: its id, such as upload, song, separation, event, consumer, request

Given = Mapping[str, object] | Callable[[], Mapping[str, object]]  # or whom to ask for them, once there is a line

_given: ContextVar[tuple[Given, ...]] = ContextVar("given", default=())


class about:  # noqa: N801 - a context manager, as the functions of `contextlib` are
    """Within it, lines of this thread carry these ids beside those of around it; `None` and "" are left out."""

    __slots__ = ("_ids", "_token")

    def __init__(self, given: Given | None = None, **ids: object) -> None:
        self._ids = given or ids

    def __enter__(self) -> None:
        self._token = _given.set((*_given.get(), self._ids))

    def __exit__(self, *about: object) -> None:
        _given.reset(self._token)


def note(**ids: object) -> None:
    """From here to the end of the `about` around it (or of the request), lines carry these ids, too."""
    _given.set((*_given.get(), ids))


def begin(**ids: object) -> None:
    """New work in a thread that may have done other work before: all that was noted is forgotten."""
    _given.set((ids,))


def ids() -> Ids:
    """What the lines of this thread carry now: to hand it on to another thread or process."""
    told = [ids() if callable(ids) else ids for ids in _given.get()]
    return {name: _plain(value) for ids in told for name, value in ids.items() if value not in (None, "")}


def set_up(log_format: str, *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """All lines of this process from now on, warnings of Python too: to `stream`, by default standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if log_format == JSON else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class Text(logging.Formatter):
    """`time LEVEL logger: message [song=… upload=…]`, then the traceback if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        line = super().formatMessage(record).translate(CONTROL)
        told = " ".join(f"{name}={value}" for name, value in sorted(ids().items()))
        return f"{line} [{told}]" if told else line


class Json(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, the ids, the `fields` of `extra`, and `error` with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **ids(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _plain(value: object) -> str:
    return str(value)[:ID_LENGTH].translate(CONTROL)
