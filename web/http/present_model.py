"""Which model this server separates with. Finding out may ask the hub, so it happens once, and no page waits for it."""

import threading

from flask import current_app

from demixer.domain.errors import DemixerError
from demixer.runtime.settings import Settings
from demixer.separation import models
from demixer.separation.models import ModelChoice


def present_model() -> "PresentModel":
    found: PresentModel = current_app.extensions["model"]
    return found


class PresentModel:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._found = threading.Event()
        self._started = False
        self._choice: ModelChoice | None = None

    def choice(self, *, patience: float = 0.1) -> ModelChoice | None:
        """None when it is still not known after `patience` seconds, and when there is none."""
        self._start()
        self._found.wait(patience)
        return self._choice

    def better_than(self, model: str) -> str | None:
        """The name of the present model if it is better than `model`."""
        choice = self.choice()
        return choice.name if choice and models.better_than(choice.name, model) else None

    def _start(self) -> None:
        """In its own thread, since the hub may take seconds to not answer."""
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._find, name="present-model", daemon=True).start()

    def _find(self) -> None:
        try:
            self._choice = models.resolve(self._settings)
        except DemixerError:
            self._choice = None  # whoever runs the server reads why with `demixer check`
        finally:
            self._found.set()
