"""What `demixer check` says about the model and the device: what would run, and how to get the rest by hand."""

from pathlib import Path
from typing import NamedTuple

from demixer.domain.errors import DemixerError, ModelUnavailable
from demixer.domain.messages import sentence
from demixer.runtime.settings import Settings
from demixer.separation import models, weights
from demixer.separation.engine import Device
from demixer.separation.models import ModelChoice, model_info
from demixer.separation.weights import Weights


class Diagnostic(NamedTuple):
    ok: bool
    text: str
    hint: str = ""


def findings(settings: Settings) -> list[Diagnostic]:
    """Loads the model for real, so it may take seconds; fetches no weights. Raises nothing."""
    if not weights.installed():
        return [_elsewhere(settings)]
    finding, device = _device(settings)
    return [finding, *_model(settings, device)]


def by_hand(name: str) -> str:
    """Which files to fetch for the released model `name` on another machine, and where to put them."""
    from demixer.separation import hub

    files = weights.release_files()
    lines = [
        f"{hub.legacy_url(signature)} (or {signature}.safetensors from https://huggingface.co/{weights.repository(name)})"
        for signature in weights.definition(name, None).signatures
        if signature in files
    ]
    folder = "the folder that MODELS_DIR names (set it to any folder)"
    return f"To use {name}, put into {folder}, under their own names: " + "; ".join(lines)


def _elsewhere(settings: Settings) -> Diagnostic:
    """Which model is used there, the workers say."""
    by = "" if settings.model == models.AUTO else f", by {settings.model}"
    return Diagnostic(True, f"songs are separated elsewhere{by}: the separation extra is not installed here")


def _device(settings: Settings) -> tuple[Diagnostic, Device | None]:
    from demixer.separation import device

    try:
        chosen = device.choose(settings.device)
    except DemixerError as error:
        return Diagnostic(False, sentence(error.code, error.params), "DEVICE=auto takes what is there"), None
    return Diagnostic(True, f"separation runs on {chosen.name}"), chosen


def _model(settings: Settings, device: Device | None) -> list[Diagnostic]:
    try:
        choice = models.resolve(settings)
        bundled = model_info(choice.name).bundled
        found = None if bundled else weights.find(choice.name, settings.models_dir)
        if not bundled and found is None:
            return [_still_to_be_fetched(choice)]
        _try(choice, device, settings.models_dir)
    except DemixerError as error:
        return [Diagnostic(False, _why(error), _hint(settings.model, error))]
    return [_loaded(choice, found), *_more_stems(choice)]


def _try(choice: ModelChoice, device: Device | None, models_dir: Path | None) -> None:
    from demixer.separation import loading

    if device is not None:
        loading.load(choice, device, models_dir)


def _loaded(choice: ModelChoice, found: Weights | None) -> Diagnostic:
    where = (
        ", ".join(str(path) for path in found.files)
        if found
        else f"inside the {model_info(choice.name).package} package"
    )
    stems = f", which makes {', '.join(choice.stems)}" if choice.stems else ""
    return Diagnostic(True, f"model {choice.name}{stems}; its weights are {where}")


def _still_to_be_fetched(choice: ModelChoice) -> Diagnostic:
    from demixer.separation import hub

    if hub.reachable(choice.name):
        return Diagnostic(True, f"model {choice.name}; its weights will be fetched with the first song")
    error = ModelUnavailable(model=choice.name, reason=weights.MISSING)
    return Diagnostic(False, _why(error), by_hand(choice.name))


def _why(error: DemixerError) -> str:
    """The sentence for people sends whoever runs the server here: nobody needs to be told that here."""
    if isinstance(error, ModelUnavailable):
        return f"model {error.params['model']} is not available: {error.params['reason']}"
    return sentence(error.code, error.params)


def _more_stems(choice: ModelChoice) -> list[Diagnostic]:
    if not choice.four_stems_need:
        return []
    text = f"the built-in model makes two stems; {choice.four_stems_need} makes four, and better ones"
    return [Diagnostic(True, text, by_hand(choice.four_stems_need))]


def _hint(model: str, error: DemixerError) -> str:
    if error.params.get("reason") == weights.DAMAGED:
        return f"fetch {error.params.get('file', 'the file')} again; it is not what its name says it is"
    return by_hand(model) if model in models.MODELS and not model_info(model).bundled else ""
