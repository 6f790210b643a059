"""What this machine can separate with, found out once. Loads no torch in this process."""

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime

from demixer.domain import SeparationWorker
from demixer.domain.errors import ConfigurationError
from demixer.runtime.settings import Settings
from demixer.separation import models
from demixer.separation.engine import cpu_name

DEVICE_NAME = (sys.executable, "-m", "demixer.separation.device")


def describer(settings: Settings, member: str, now: Callable[[], datetime]) -> Callable[[], SeparationWorker]:
    """A function that describes this worker. The first call may ask the model hub, and take seconds; the others give
    the same with the time of now."""
    found: list[tuple[models.ModelChoice | None, str, str]] = []

    def describe() -> SeparationWorker:
        if not found:
            found.append(_find_out(settings))
        choice, device, problem = found[0]
        return SeparationWorker(
            id=member,
            model=choice.name if choice else "",
            stems=choice.stems if choice else (),
            device=device,
            licence=models.model_info(choice.name).licence if choice else "",
            updated_at=now(),
            problem=problem,
        )

    return describe


def _find_out(settings: Settings) -> tuple[models.ModelChoice | None, str, str]:
    try:
        return models.resolve(settings), _device_name(settings.device), ""
    except ConfigurationError as error:
        return None, "", str(error)


def _device_name(setting: str) -> str:
    """In a process of its own: torch would stay in the memory of this one, which may live for months. Raises
    `ConfigurationError` when the device is not there."""
    if setting == "cpu":
        return cpu_name()
    done = subprocess.run([*DEVICE_NAME, setting], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(variable="DEVICE", hint=done.stdout.strip() or f"{setting} could not be looked for")
    return done.stdout.strip()
