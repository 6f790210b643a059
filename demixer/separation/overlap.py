"""Run a Demucs network over a song of any length, in constant memory, and get what `demucs.apply.apply_model` gives.

`apply_model(model, mix, shifts=0, split=True, overlap=0.25)` cuts the song into overlapping chunks, weights every
chunk with a triangle, adds them up and divides by the sum of the weights, all on tensors as long as the song. Here the
same sums are made in the same order in a ring of one chunk: once the next chunk's start is reached, what lies before it
can no longer change and goes out. On a CPU the result is equal to the last bit.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from demixer.domain.errors import SeparationFailed
from demixer.separation import device as devices
from demixer.separation.engine import Device
from demixer.separation.spool import Spool

OVERLAP = 0.25  # of a chunk, the default of the demucs command
MAX_BATCH = 8
# Working memory of a network per second of sound, generously: HTDemucs is known to need about 2 GB for its 7.8 s.
# A guess that is too low costs one retry with half the batch.
BYTES_PER_SECOND = 256 * 1024 * 1024

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Chunk:
    """`length` frames of the song from `offset`, handed to the network as the middle of `padded` frames."""

    offset: int
    length: int
    padded: int


@dataclass(frozen=True, slots=True)
class Mixture:
    """A song as the networks want it: mean and deviation taken out."""

    spool: Spool
    mean: Tensor
    deviation: Tensor

    def chunk(self, chunk: Chunk) -> Tensor:
        """Shape `(channels, chunk.padded)`. Padding is the song itself where it goes on, else silence."""
        start = chunk.offset - (chunk.padded - chunk.length) // 2
        first, last = max(0, start), min(self.spool.frames, start + chunk.padded)
        sound = (torch.from_numpy(self.spool.read(first, last)) - self.mean) / self.deviation
        return functional.pad(sound, (first - start, start + chunk.padded - last))


class Network:
    """One network of a bag on a device, with the geometry of its chunks. `demucs` classes carry no types, hence Any."""

    def __init__(self, model: Any, device: Device) -> None:
        self._model = model.to(device.kind).eval()
        self._device = device
        self.segment = int(model.samplerate * model.segment)
        self.stride = int((1 - OVERLAP) * self.segment)
        self.batch = _batch_size(self.segment / model.samplerate, device)

    def chunks(self, frames: int) -> list[Chunk]:
        lengths = [(offset, min(self.segment, frames - offset)) for offset in range(0, frames, self.stride)]
        return [Chunk(offset, length, self._padded(length)) for offset, length in lengths]

    def blocks(self, mixture: Mixture, tick: Tick) -> Iterator[Tensor]:
        """The song's stems from its beginning to its end, in blocks of shape `(stems, channels, frames)`, on the CPU.

        Calls `tick` after every chunk. Raises `SeparationFailed("out-of-memory")` when not even one chunk fits.
        """
        weight = triangle(self.segment, self._device.kind)
        ring = Ring(self.segment)
        for chunk, sound in self._sounds(mixture):
            share = weight[: chunk.length]
            ring.add((share * _middle(sound, chunk.length)).cpu(), share.cpu())
            tick()
            yield ring.take(min(self.stride, mixture.spool.frames - chunk.offset))

    def _sounds(self, mixture: Mixture) -> Iterator[tuple[Chunk, Tensor]]:
        """Every chunk with what the network made of it."""
        for _, group in itertools.groupby(self.chunks(mixture.spool.frames), key=lambda chunk: chunk.padded):
            waiting = list(group)
            while waiting:
                done = self._run(mixture, waiting)
                yield from zip(waiting, done, strict=False)
                del waiting[: len(done)]

    def _run(self, mixture: Mixture, waiting: list[Chunk]) -> Tensor:
        """As many of the first chunks as fit the device at once, fewer at every failure."""
        while True:
            batch = torch.stack([mixture.chunk(chunk) for chunk in waiting[: self.batch]])
            done = self._attempt(batch)
            if done is not None:
                return done
            # Only here, with the error and its frames gone, is the memory of the failed attempt free to be given back.
            devices.empty_cache(self._device)
            self._shrink()

    def _attempt(self, batch: Tensor) -> Tensor | None:
        """None when the device's memory is too small."""
        try:
            with torch.inference_mode():
                return cast(Tensor, self._model(batch.to(self._device.kind)))
        except RuntimeError as error:
            if not devices.is_out_of_memory(error):
                raise
            return None

    def _shrink(self) -> None:
        if self.batch == 1:
            raise SeparationFailed("out-of-memory", device=self._device.name)
        self.batch //= 2

    def _padded(self, length: int) -> int:
        return int(self._model.valid_length(length)) if hasattr(self._model, "valid_length") else length


class Ring:
    """Adds overlapping chunks up. Holds one segment: what is taken out makes room at the end."""

    def __init__(self, segment: int) -> None:
        self._segment = segment
        self._sum: Tensor | None = None
        self._weight = torch.zeros(segment)

    def add(self, weighted: Tensor, weight: Tensor) -> None:
        if self._sum is None:
            self._sum = torch.zeros(*weighted.shape[:-1], self._segment)
        self._sum[..., : weighted.shape[-1]] += weighted
        self._weight[: len(weight)] += weight

    def take(self, count: int) -> Tensor:
        """The first `count` frames, to which nothing will be added any more."""
        assert self._sum is not None, "something was added"
        finished = self._sum[..., :count] / self._weight[:count]
        self._sum = functional.pad(self._sum[..., count:], (0, count))
        self._weight = functional.pad(self._weight[count:], (0, count))
        return finished


def triangle(segment: int, device: str = "cpu") -> Tensor:
    """The weight of each frame of a chunk, largest in the middle, as in `demucs.apply.apply_model`."""
    rising = torch.arange(1, segment // 2 + 1, device=device)
    falling = torch.arange(segment - segment // 2, 0, -1, device=device)
    weight = torch.cat([rising, falling])
    return weight / weight.max()


def aligned(streams: list[Iterator[Tensor]]) -> Iterator[list[Tensor]]:
    """Blocks of several streams over the same song, cut to the same frames: networks of a bag may differ in stride."""
    heads = [next(stream) for stream in streams]
    while True:
        count = min(head.shape[-1] for head in heads)
        yield [head[..., :count] for head in heads]
        rests = [head[..., count:] for head in heads]
        fresh = [rest if rest.shape[-1] else next(stream, None) for rest, stream in zip(rests, streams, strict=True)]
        heads = [head for head in fresh if head is not None]
        if len(heads) < len(streams):
            return


def _middle(sound: Tensor, length: int) -> Tensor:
    """As `demucs.utils.center_trim`."""
    start = (sound.shape[-1] - length) // 2
    return sound[..., start : start + length]


def _batch_size(seconds: float, device: Device) -> int:
    """How many chunks of `seconds` at once. One on a CPU: two or four were measured to be no faster."""
    free = devices.free_bytes(device)
    if free is None:
        return 1
    return max(1, min(MAX_BATCH, int(free / (seconds * BYTES_PER_SECOND))))
