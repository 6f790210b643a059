"""Whether the engines answer: what `/readyz` says, and what the metrics are read by."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from demixer.domain.errors import DemixerError
from demixer.ports import Accounts, Catalogue, EventLog, Files, SearchIndex

PATIENCE = 2.0  # seconds that all engines together get to answer
FRESH = 1.0  # seconds that an answer counts: whoever asks all the time costs the engines nothing
NOBODY = "health-check"  # an id that nothing has

Checks = Mapping[str, Callable[[], object]]  # by engine: something that only one that works can do


def checks_of(catalogue: Catalogue, accounts: Accounts, files: Files, events: EventLog, search: SearchIndex) -> Checks:
    return {
        "catalogue": lambda: catalogue.songs.get(NOBODY),
        "accounts": lambda: accounts.get(NOBODY),
        "files": lambda: files.size(NOBODY),
        "events": lambda: events.lag(NOBODY),
        "search": lambda: search.search(NOBODY, limit=1),
    }


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """`engines`: whether each answers. `needed`: those that nothing goes without."""

    engines: Mapping[str, bool]
    needed: Collection[str]

    @property
    def ready(self) -> bool:
        return all(self.engines[name] for name in self.needed)

    def body(self) -> dict[str, Any]:
        """For `/readyz`: what is down, and nothing of where it is."""
        told = {name: "ok" if answers else "down" for name, answers in self.engines.items()}
        warnings = [name for name, answers in self.engines.items() if not answers and name not in self.needed]
        return {"ready": self.ready, "engines": told, "warnings": warnings}


class Health:
    """Asks all engines at once, each in a thread of its own: one that hangs holds up nobody, and is not asked again
    before it answers. May be called from any thread, and only after a fork."""

    def __init__(
        self, checks: Checks, *, needed: Collection[str], patience: float = PATIENCE, fresh: float = FRESH
    ) -> None:
        self._checks, self._needed, self._patience, self._fresh = checks, needed, patience, fresh
        self._one_at_a_time = threading.Lock()
        self._asked: dict[str, _Question] = {}
        self._last: tuple[float, Report] | None = None

    def report(self) -> Report:
        """Within about `patience` seconds, whatever hangs."""
        with self._one_at_a_time:
            if self._last is None or time.monotonic() - self._last[0] > self._fresh:
                report = Report(dict(self._answers()), self._needed)
                self._log_changes(report)
                self._last = time.monotonic(), report
            return self._last[1]

    def _answers(self) -> Iterator[tuple[str, bool]]:
        for name, check in self._checks.items():
            if name not in self._asked or self._asked[name].answered.is_set():
                self._asked[name] = _Question(name, check)
        deadline = time.monotonic() + self._patience
        for name, question in self._asked.items():
            yield name, question.answered.wait(max(0.0, deadline - time.monotonic())) and question.well

    def _log_changes(self, report: Report) -> None:
        before = self._last[1].engines if self._last else dict.fromkeys(report.engines, True)
        for name, answers in report.engines.items():
            if answers and not before[name]:
                log.warning("%s answers again", name)
            elif before[name] and not answers:
                log.warning("%s does not answer: %s", name, self._asked[name].why)


class _Question:
    """`well` once `answered`; `why` it is not."""

    def __init__(self, name: str, check: Callable[[], object]) -> None:
        self.answered, self.well, self.why = threading.Event(), False, "it takes too long"
        self._check = check
        threading.Thread(target=self._run, name=f"health-{name}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._check()
            self.well = True
        except DemixerError as error:
            self.why = str(error)
        except Exception as error:
            self.why = type(error).__name__
            log.exception("asking an engine how it is failed in a way that nobody foresaw")
        finally:
            self.answered.set()
