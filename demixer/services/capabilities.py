"""What the separation workers can do: which model, on which device, with which stems. They alone find it out."""

from collections.abc import Callable
from datetime import datetime, timedelta

from demixer.domain import SeparationWorker
from demixer.ports import Workers
from demixer.separation.models import better_than

REPORT_SECONDS = 60.0  # between two reports of a worker that lives
LIVE = timedelta(seconds=5 * REPORT_SECONDS)  # without a report, a worker counts as ended


class Capabilities:
    """Workers report; web, match and the command line read. No reader waits for a model hub or loads a model."""

    def __init__(self, workers: Workers, clock: Callable[[], datetime]) -> None:
        self._workers, self._clock = workers, clock

    def report(self, worker: SeparationWorker) -> None:
        self._workers.save(worker)

    def all(self) -> list[SeparationWorker]:
        """Those that live, or, where none lives, those that did last."""
        everyone = list(self._workers.all())
        since = self._clock() - LIVE
        return [worker for worker in everyone if worker.updated_at >= since] or everyone

    def best(self) -> SeparationWorker | None:
        """The one with the best model; None where no worker ever said that it can run one."""
        able = [worker for worker in self.all() if worker.model]
        if not able:
            return None
        best = able[0]
        for worker in able[1:]:
            best = worker if better_than(worker.model, best.model) else best
        return best

    def model_for_new_songs(self) -> str | None:
        best = self.best()
        return best.model if best else None

    def better_model(self, model: str) -> str | None:
        """The model that could make better stems than `model` did."""
        present = self.model_for_new_songs()
        return present if present and better_than(present, model) else None
