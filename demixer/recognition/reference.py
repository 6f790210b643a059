"""Mono samples at `RATE`, in which files and songs are compared; and the reference of a song: its mixture and stems.

A reference is one FLAC file of 16 bits: the first channel is the mixture, the others are the stems in their order. A
song of four minutes and four stems takes about 10 MB, a twentieth of its stems.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from demixer.audio import ffmpeg, sandbox
from demixer.domain.errors import Transient

RATE = 11_025  # Hz: the sample rate of Chromaprint; above 5.5 kHz low bit rates keep nothing
FILE = "reference.flac"
MAX_STEMS = 7  # FLAC has eight channels at most
TO_MONO = f"aresample={RATE}:osf=flt:ochl=mono"
HALVED = "volume=0.5"  # what was clipped overshoots full scale when its rate is lowered, and would be clipped again

Pcm = NDArray[np.int16]  # shape (samples,), mono at `RATE`, after `TO_MONO` and `HALVED`

_FULL_SCALE = np.float32(32768)
_LIMITS = sandbox.Limits(wait=120.0, cpu=240)
_COMPRESSION = 1  # of FLAC, 0 to 8: 3 % larger than 5, read a fifth faster
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`samples`: float32, shape (1 + stems, samples), mono at `RATE`, full scale 1.0: the mixture, then each stem."""

    stem_names: tuple[str, ...]
    samples: NDArray[np.float32]

    @classmethod
    def without_stems(cls, mixture: Pcm) -> "Reference":
        """For a song that is not separated yet: only a copy without loss can be told from another mix."""
        return cls((), as_float(mixture)[None])

    @property
    def mixture(self) -> NDArray[np.float32]:
        mixture: NDArray[np.float32] = self.samples[0]
        return mixture


def write(source: Path, folder: Path, stem_names: Sequence[str]) -> Path:
    """`<folder>/reference.flac` from the file that was separated and `<folder>/<stem>.flac`. Raises `Refused`,
    `Transient`.

    Each file is decoded by itself, as an upload is, so that all of them begin at the same sample.
    """
    paths = (source, *(folder / f"{name}.flac" for name in stem_names[:MAX_STEMS]))
    channels = [decode_file(path) for path in paths]
    interleaved = np.zeros((max(map(len, channels)), len(channels)), dtype="<i2")
    for number, channel in enumerate(channels):
        interleaved[: len(channel), number] = channel
    target = folder / FILE
    source_options = ("-f", "s16le", "-ar", str(RATE), "-ac", str(len(channels)), "-i", "pipe:0")
    codec = ("-map_metadata", "-1", "-c:a", "flac", "-compression_level", str(_COMPRESSION))
    command = ffmpeg.encoding(*source_options, *codec, "-f", "flac", f"file:{target.absolute()}")
    with sandbox.Child(command, limits=_LIMITS) as child:
        child.write(interleaved.data.cast("B"))
        outcome = child.finish()
    if outcome.code:
        target.unlink(missing_ok=True)
        raise Transient(reason=outcome.log.strip()[-300:])
    return target


def read(path: Path, stem_names: Sequence[str]) -> Reference | None:
    """`stem_names`: of the stems in the file, in their order. None where it is damaged, or of other stems.

    It is decoded in this process, in half of the time that a child process takes: this program wrote the file.
    """
    try:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        log.warning("a reference does not decode: %s", error)
        return None
    known = Reference(tuple(stem_names[:MAX_STEMS]), np.ascontiguousarray(samples.T))
    return known if len(known.samples) == 1 + len(known.stem_names) else None


def decode_file(path: Path) -> Pcm:
    """Any audio file, in a child process with limits. Raises `Refused`, `Transient`."""
    output = ("-map", "0:a:0", "-vn", "-sn", "-dn", "-af", f"{TO_MONO},{HALVED}", "-f", "s16le", "pipe:1")
    with sandbox.Child(ffmpeg.decoding(*output), source=path) as child:
        data = b"".join(child.blocks())
        outcome = child.finish()
    if not data:
        raise Transient(reason=f"nothing decodes: {outcome.log.strip()[-300:]}")
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")


def encode_mono(samples: Pcm) -> bytes:
    """As FLAC without loss, so that a file can be compared again without decoding it: about 0.6 MB a minute."""
    target = io.BytesIO()
    soundfile.write(target, samples, RATE, format="FLAC", subtype="PCM_16", compression_level=_COMPRESSION / 8)
    return target.getvalue()


def decode_mono(data: bytes) -> Pcm | None:
    """What `encode_mono` was given. None where the data are damaged."""
    try:
        samples: Pcm = soundfile.read(io.BytesIO(data), dtype="int16")[0]
    except soundfile.LibsndfileError as error:
        log.warning("stored samples do not decode: %s", error)
        return None
    return samples


def as_float(samples: Pcm) -> NDArray[np.float32]:
    """Full scale 1.0."""
    return samples.astype(np.float32) / _FULL_SCALE
