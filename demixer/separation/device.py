"""Which device separates: CPU, CUDA or Apple GPU."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from demixer.domain.errors import ConfigurationError, SeparationFailed
from demixer.separation.engine import Device, cpu_name

log = logging.getLogger(__name__)


def choose(setting: str) -> Device:
    """The device that `DEVICE` stands for; `auto` takes a GPU that works.

    Raises `ConfigurationError` when a device was asked for by name and is not there: never a silent fall-back.
    """
    if setting == "auto":
        return next((Device(kind, name_of(kind)) for kind in ("cuda", "mps") if _works(kind)), choose("cpu"))
    if not _present(setting):
        hint = f"{setting} was asked for, but torch finds no such device on this machine; use auto or cpu"
        raise ConfigurationError(variable="DEVICE", hint=hint)
    return Device(setting, name_of(setting))


def name_of(kind: str) -> str:
    if kind == "cuda":
        return str(torch.cuda.get_device_name())
    return "Apple GPU" if kind == "mps" else cpu_name()


def free_bytes(device: Device) -> int | None:
    """Memory that is free on a GPU; None where torch cannot tell."""
    return int(torch.cuda.mem_get_info()[0]) if device.kind == "cuda" else None


def empty_cache(device: Device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has a class for it; the CPU and Apple allocators only a sentence in a plain RuntimeError."""
    sentence = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in sentence or "can't allocate" in sentence


@contextmanager
def memory_watched(device: Device) -> Iterator[None]:
    """Say `SeparationFailed("out-of-memory")` when the block runs out of the device's memory."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise SeparationFailed("out-of-memory", device=device.name) from error


def _present(kind: str) -> bool:
    return {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]


def _works(kind: str) -> bool:
    """A driver may list a GPU that this build of torch cannot run on: try it."""
    try:
        return _present(kind) and float(torch.ones(2, device=kind).sum()) == 2
    except RuntimeError as error:
        log.warning("the %s device does not work and is left alone: %s", kind, error)
        return False


def main(setting: str) -> int:
    """Prints the name of the device, or why it is not there. Returns the exit code."""
    try:
        sys.stdout.write(choose(setting).name)
    except ConfigurationError as error:
        sys.stdout.write(str(error.params["hint"]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
