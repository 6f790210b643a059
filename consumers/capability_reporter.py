"""A separation worker says what it can do, when it has found out, and then every minute."""

import logging
import threading
from collections.abc import Callable

from demixer.domain import SeparationWorker
from demixer.domain.errors import DemixerError
from demixer.domain.uploads import FOR_A_WORKER
from demixer.services.capabilities import REPORT_SECONDS, Capabilities
from demixer.services.matching import Matching

RETRY_SECONDS = 1.0  # after an engine was busy

log = logging.getLogger(__name__)


class CapabilityReporter:
    """`describe` may ask a model hub, and take seconds. `flush` publishes what a report has saved."""

    def __init__(
        self,
        describe: Callable[[], SeparationWorker],
        capabilities: Capabilities,
        matching: Matching,
        flush: Callable[[], object],
    ) -> None:
        self._describe, self._capabilities, self._matching, self._flush = describe, capabilities, matching, flush
        self._stopping = threading.Event()

    def start(self) -> None:
        """In a thread of its own."""
        threading.Thread(target=self._run, name="capabilities", daemon=True).start()

    def report_once(self) -> None:
        """Uploads that wait for a worker go on. Raises `DemixerError` where an engine is busy, or MODEL is wrong."""
        worker = self._describe()
        self._capabilities.report(worker)
        if worker.model:
            self._matching.resume_waiting(FOR_A_WORKER)
        self._flush()

    def close(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        seconds = 0.0
        while not self._stopping.wait(seconds):
            try:
                self.report_once()
                seconds = REPORT_SECONDS
            except DemixerError as error:
                log.warning("what this worker can do is reported again in %.0f s: %s", RETRY_SECONDS, error)
                seconds = RETRY_SECONDS
