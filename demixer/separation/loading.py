"""From a model's name to an engine that is ready to run."""

import pickle
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.hf import load_safetensors_model
from demucs.htdemucs import HTDemucs
from demucs.repo import ModelLoadingError, check_checksum
from demucs.states import load_model
from safetensors import SafetensorError

from demixer.domain.errors import ModelUnavailable
from demixer.separation import device as devices
from demixer.separation import hub, memory, weights
from demixer.separation.demucs_engine import DemucsEngine
from demixer.separation.engine import Device, Engine
from demixer.separation.models import ModelChoice, model_info
from demixer.separation.spleeter_engine import SpleeterEngine
from demixer.separation.weights import Weights

# What a package of weights is made of besides tensors. Anything else in the pickle is not run.
_KNOWN_CLASSES = [Demucs, HDemucs, HTDemucs, Fraction]
_CHECKSUM = re.compile("-([0-9a-f]{8,})$")  # in the name of a file, of its content
# What reading a damaged or foreign file raises, across zip, pickle, safetensors and the models' constructors.
_BROKEN = (ModelLoadingError, SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError)
_FOREIGN = (KeyError, TypeError, AttributeError, AssertionError, IndexError, ImportError)


def load(choice: ModelChoice, device: Device, models_dir: Path | None) -> Engine:
    """The engine of `choice`; weights that are on no disk here are fetched first.

    Raises `ModelUnavailable` when they cannot be, or are damaged; `SeparationFailed` when the device is too small.
    """
    # The same song must give the same stems, on a GPU too: cuDNN may otherwise pick sums of another order.
    torch.backends.cudnn.deterministic = True
    memory.keep()
    with devices.memory_watched(device):
        return _engine(choice, device, models_dir)


def load_bag(found: Weights) -> Any:
    """A `demucs.apply.BagOfModels`, on the CPU. Raises `ModelUnavailable`."""
    networks = [_load_network(found.bag.name, path) for path in found.files]
    factors = [list(row) for row in found.bag.factors] if found.bag.factors else None
    try:
        bag = BagOfModels(networks, factors, found.bag.segment)
    except AssertionError as error:
        raise ModelUnavailable(model=found.bag.name, reason=weights.DAMAGED) from error
    return bag.eval()


def _engine(choice: ModelChoice, device: Device, models_dir: Path | None) -> Engine:
    if model_info(choice.name).bundled:
        return SpleeterEngine(choice, device)
    found = weights.find(choice.name, models_dir)
    found = found or hub.fetch(weights.definition(choice.name, models_dir), models_dir)
    return DemucsEngine(choice, load_bag(found), device)


def _load_network(name: str, path: Path) -> Any:
    try:
        return load_safetensors_model(path) if path.suffix == ".safetensors" else _load_package(path)
    except SystemExit as error:  # demucs ends the process where a package for quantized weights is missing
        raise ModelUnavailable(model=name, reason=weights.NEEDS_PACKAGE, file=path.name) from error
    except (*_BROKEN, *_FOREIGN) as error:
        raise ModelUnavailable(model=name, reason=weights.DAMAGED, file=path.name) from error


def _load_package(path: Path) -> Any:
    if checksum := _CHECKSUM.search(path.stem):
        check_checksum(path, checksum[1])
    return load_model(_read_package(path))  # type: ignore[no-untyped-call]


def _read_package(path: Path) -> Any:
    """Without running code from the file, unless it is a released one, whose checksum was compared just before."""
    try:
        with torch.serialization.safe_globals(_KNOWN_CLASSES):
            return torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError:
        if path.name not in {Path(released).name for released in weights.release_files().values()}:
            raise
        return torch.load(path, "cpu", weights_only=False)
