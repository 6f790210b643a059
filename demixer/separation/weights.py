"""Where the weights of a Demucs model lie. Loads no torch; what looks for them needs the `separation` extra.

A Demucs model is a bag of one or more networks, each in one file named by its signature. `MODELS_DIR` has the layout of
`demucs.repo.LocalRepo`: `<signature>-<first 8 hex digits of its SHA-256>.th` and `<name>.yaml`; without the yaml the
definition that comes with demucs is used. `<signature>.th` and `<signature>.safetensors` do as well, and a single
network may carry the model's name. Behind it come the caches that demucs itself fills: the hub's and torch's.
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demixer.domain.errors import ModelUnavailable
from demixer.domain.messages import N_

# Why a model is unavailable, in words that end the sentence of `model-unavailable` and can be translated.
UNKNOWN = N_("no model has this name")
DAMAGED = N_("the file with its weights is damaged")
AMBIGUOUS = N_("its weights are there more than once")
MISSING = N_("its weights are not on this server and cannot be fetched")
NEEDS_PACKAGE = N_("it needs a package that is not installed")

NAMESPACE = "adefossez"  # whose repositories on the hub hold the released models: demucs.hf.DEFAULT_NAMESPACE
_SAFE_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bag:
    """`factors` is one row per network and one column per stem; `segment` overrides the networks' own, in seconds."""

    name: str
    signatures: tuple[str, ...]
    factors: tuple[tuple[float, ...], ...] | None = None
    segment: float | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    bag: Bag
    files: tuple[Path, ...]  # one for each signature, in their order


def installed() -> bool:
    """Whether the packages that separate are on this machine: most processes of a service do without."""
    return importlib.util.find_spec("demucs") is not None


def definition(name: str, models_dir: Path | None) -> Bag:
    """What the model called `name` is made of. Raises `ModelUnavailable` for an unknown name or a damaged yaml."""
    if not _SAFE_NAME.fullmatch(name):
        raise ModelUnavailable(model=name, reason=UNKNOWN)
    for folder in filter(None, (models_dir, _released())):
        if (folder / f"{name}.yaml").is_file():
            return _read_definition(name, folder / f"{name}.yaml")
    if name in release_files() or _in_folder(name, models_dir):
        return Bag(name, (name,))
    raise ModelUnavailable(model=name, reason=UNKNOWN)


def find(name: str, models_dir: Path | None) -> Weights | None:
    """The weights of the model called `name`, if all of them are on this machine. Raises as `definition` does."""
    bag = definition(name, models_dir)
    files = [find_file(bag.name, signature, models_dir) for signature in bag.signatures]
    present = tuple(path for path in files if path)
    return Weights(bag, present) if len(present) == len(files) else None


def find_file(name: str, signature: str, models_dir: Path | None) -> Path | None:
    """The file of one signature: in `MODELS_DIR`, else in a cache. Raises when `MODELS_DIR` has it twice."""
    return _in_folder(signature, models_dir) or _in_hub_cache(name, signature) or _in_torch_cache(signature)


def release_files() -> dict[str, str]:
    """Signature to the path of its released file below `hub.LEGACY_ROOT`, from the list that demucs carries."""
    text = (_released() / "files.txt").read_text()
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return dict(_with_folders(lines))


def repository(name: str) -> str:
    """The repository of a released model on the hub, as `demucs.hf.hf_repo_name` names it."""
    if name == "htdemucs":
        return f"{NAMESPACE}/HTDemucs"
    stem = f"HTDemucs-{name.removeprefix('htdemucs_')}" if name.startswith("htdemucs_") else f"Demucs-{name}"
    return f"{NAMESPACE}/{stem}"


def torch_cache() -> Path:
    """Where `torch.hub` keeps what it fetched, worked out as `torch.hub.get_dir` does, without loading torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def _released() -> Path:
    spec = importlib.util.find_spec("demucs")
    assert spec is not None, "demucs is a dependency"
    assert spec.origin is not None
    return Path(spec.origin).parent / "remote"


def _with_folders(lines: list[str]) -> Iterator[tuple[str, str]]:
    folder = ""
    for line in lines:
        if line.startswith("root:"):
            folder = line.removeprefix("root:").strip()
        else:
            yield line.split("-", 1)[0], folder + line


def _read_definition(name: str, path: Path) -> Bag:
    try:
        read: dict[str, Any] = yaml.safe_load(path.read_text())
        signatures = tuple(str(signature) for signature in read["models"])
        rows = read.get("weights")
        factors = tuple(tuple(float(value) for value in row) for row in rows) if rows else None
        segment = read.get("segment")
        return _checked(Bag(name, signatures, factors, None if segment is None else float(segment)))
    except (yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelUnavailable(model=name, reason=DAMAGED, file=path.name) from error


def _checked(bag: Bag) -> Bag:
    if not bag.signatures or not all(_SAFE_NAME.fullmatch(signature) for signature in bag.signatures):
        raise ValueError("no usable signature")
    return bag


def _in_folder(signature: str, folder: Path | None) -> Path | None:
    if folder is None or not folder.is_dir():
        return None
    exact = [folder / f"{signature}{ending}" for ending in (".th", ".safetensors")]
    # A signature has no dash of its own before the checksum, so `a-b-1234.th` is no file of `a`.
    found = [*folder.glob(f"{signature}-[!-]*.th"), *filter(Path.is_file, exact)]
    found = [path for path in found if path in exact or "-" not in path.stem.removeprefix(f"{signature}-")]
    if len(found) > 1:
        raise ModelUnavailable(model=signature, reason=AMBIGUOUS, file=" and ".join(sorted(p.name for p in found)))
    return found[0] if found else None


def _in_hub_cache(name: str, signature: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository(name), f"{signature}.safetensors")
    return Path(found) if isinstance(found, str) else None


def _in_torch_cache(signature: str) -> Path | None:
    released = release_files().get(signature)
    path = torch_cache() / Path(released).name if released else None
    return path if path and path.is_file() else None
