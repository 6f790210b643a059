"""Decodes audio files into blocks of samples, with constant memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demixer.audio import ffmpeg, probe, sandbox
from demixer.domain.errors import Refused

Block = NDArray[np.float32]

# With `rematrix_maxval` the rows of the mixing matrix sum to one at most, so 5.1 cannot clip; float samples would reach
# +7.7 dB. Mono is put on both sides 3 dB lower, which `rematrix_volume` makes up for.
TO_STEREO = "aresample=osf={format}:ochl=stereo:osr={rate}:rematrix_maxval=1"
MONO_LOSS = 2**-0.5
LOUDEST = 8.0  # full scale 1.0: +18 dBFS. Decoders overshoot by 4 dB at most, but float files can hold anything
_BLOCK_SECONDS = 5


def decode(path: Path, *, sample_rate: int, channels: int = 2, max_seconds: float | None = None) -> Iterator[Block]:
    """The first audio stream as float32 blocks, shape (channels, frames), full scale 1.0, 5 s each but the last.

    `channels` is 2, or 1 for the mean of both. A truncated file gives what is there. NaN and infinities become 0, and
    the rest is clipped to `LOUDEST`. Ends after `max_seconds`. Closing the iterator stops ffmpeg.
    Raises `Refused`: "not-audio", "no-sound", "damaged-audio" (nothing decodes), "took-too-long"; `Transient` when the
    decoder was killed.
    """
    frames = 0
    for block in _first_seconds(max_seconds, sample_rate, _stereo(path, sample_rate)):
        frames += block.shape[1]
        yield block if channels == 2 else block.mean(axis=0, keepdims=True, dtype=np.float32)
    if not frames:
        raise Refused("damaged-audio")


def _stereo(path: Path, sample_rate: int) -> Iterator[Block]:
    to_stereo = TO_STEREO.format(format="flt", rate=sample_rate)
    if probe.probe(path).encoding.channels == 1:
        to_stereo += f":rematrix_volume={1 / MONO_LOSS}"
    command = ffmpeg.decoding("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", to_stereo, "-f", "f32le", "pipe:1")
    with sandbox.Child(command, source=path) as child:
        for data in _regrouped(child.blocks(), _BLOCK_SECONDS * sample_rate * 8):
            yield _as_block(data)
        child.finish()


def _regrouped(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, `size` at a time. The last block may be shorter."""
    rest = bytearray()
    for block in blocks:
        rest += block
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)


def _as_block(data: bytes) -> Block:
    whole = len(data) // 8 * 8
    samples = np.frombuffer(data[:whole], dtype="<f4").reshape(-1, 2)
    block = np.array(samples.T, dtype=np.float32, order="C")
    np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return block.clip(-LOUDEST, LOUDEST, out=block)


def _first_seconds(seconds: float | None, sample_rate: int, blocks: Iterator[Block]) -> Iterator[Block]:
    left = None if seconds is None else round(seconds * sample_rate)
    for block in blocks:
        yield block if left is None else block[:, :left]
        if left is not None:
            left -= block.shape[1]
            if left <= 0:
                return
