"""What is wrong with MODEL and DEVICE, as far as it can be told before anything starts."""

import subprocess
import sys

from demixer.domain.errors import ConfigurationError, ModelUnavailable
from demixer.runtime.settings import Settings
from demixer.separation import models, weights

LOOK = (sys.executable, "-m", "demixer.separation.device")
NEEDS_NO_LOOK = ("auto", "cpu")


def check_model(settings: Settings) -> None:
    """Raises `ConfigurationError` for a `MODEL` that nobody knows, or for `auto` where nothing can look for weights."""
    if settings.model != models.AUTO or not weights.installed():
        models.resolve(settings)


def check_installed(settings: Settings) -> None:
    """Raises `ConfigurationError` on a machine that cannot separate: better at start than with every song."""
    if not weights.installed():
        hint = f"{settings.model} cannot run here: pip install 'isolaatti-demixer[separation]' brings what it needs"
        raise ConfigurationError(variable="MODEL", hint=hint)


def check_device(setting: str) -> None:
    """Raises `ConfigurationError` when `DEVICE` names one that is not there.

    In a process of its own: torch would stay in the memory of whoever asks, which may live for months.
    """
    if setting in NEEDS_NO_LOOK:
        return
    done = subprocess.run([*LOOK, setting], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(variable="DEVICE", hint=done.stdout.strip() or f"{setting} could not be looked for")


def model_warning(settings: Settings) -> str:
    """A line for whoever runs the service when `MODEL` has no weights, "" otherwise. May ask the hub, for seconds.

    A warning and no error: the weights, or the way to them, may come while the service runs.
    """
    try:
        choice = models.resolve(settings)
        missing = not models.model_info(choice.name).bundled and not _in_reach(choice.name, settings)
        reason = weights.MISSING if missing else ""
    except ConfigurationError as error:
        return str(error)
    except ModelUnavailable as error:
        reason = str(error.params["reason"])
    if not reason:
        return ""
    return (
        f"MODEL={settings.model}: {reason}. Songs will fail, and can be tried again once that is mended; "
        "“demixer check” says how."
    )


def _in_reach(name: str, settings: Settings) -> bool:
    from demixer.separation import hub

    return weights.find(name, settings.models_dir) is not None or hub.reachable(name)
