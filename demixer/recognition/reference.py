"""The reference of a song: its mixture and its stems, small enough to compare every upload with.

One FLAC file of `RATE` and 16 bits: the first channel is the mixture, the others are the stems in their order. Each is
mono. A song of four minutes and four stems takes about 10 MB, a twentieth of its stems.
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

RATE = 11_025  # Hz: as Chromaprint hears; above 5.5 kHz low bit rates keep nothing
FILE = "reference.flac"
MOST_STEMS = 7  # FLAC has eight channels at most
TO_MONO = f"aresample={RATE}:osf=flt:ochl=mono"
# Half as loud, so that what was clipped does not overshoot full scale when its rate is lowered, and is clipped again.
QUIETER = "volume=0.5"
MONO = ("-af", f"{TO_MONO},{QUIETER}")
_SCALE = 32768
log = logging.getLogger(__name__)
_LIMITS = sandbox.Limits(wait=120.0, cpu=240)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`sounds`: float32, shape (1 + stems, samples), full scale 1.0: the mixture, then the stems by `names`."""

    names: tuple[str, ...]
    sounds: NDArray[np.float32]

    @property
    def mixture(self) -> NDArray[np.float32]:
        mixture: NDArray[np.float32] = self.sounds[0]
        return mixture


def write(source: Path, folder: Path, names: Sequence[str]) -> Path:
    """From the file that was separated and `<folder>/<name>.flac`. Raises `Refused`, `Transient`.

    Each goes through a decode of its own, as an upload does, so that all of them begin at the same sample.
    """
    sounds = [samples(path) for path in (source, *(folder / f"{name}.flac" for name in names[:MOST_STEMS]))]
    together = np.zeros((max(map(len, sounds)), len(sounds)), dtype="<i2")
    for channel, sound in enumerate(sounds):
        together[: len(sound), channel] = sound
    return _encoded(together, folder / FILE)


def read(path: Path, names: Sequence[str]) -> Reference | None:
    """`names`: of the stems in the file, in their order. None where it is damaged, or a reference of other stems.

    In this process, in half of the time that a decoder of its own takes: we wrote the file.
    """
    try:
        sounds, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        log.warning("a reference does not decode: %s", error)
        return None
    known = Reference(tuple(names[:MOST_STEMS]), np.ascontiguousarray(sounds.T))
    return known if len(known.sounds) == 1 + len(known.names) else None


def samples(path: Path) -> NDArray[np.int16]:
    """Any audio file as `MONO` makes it, 16 bits. Shape (samples,)."""
    pcm = _pcm(path, *MONO, "-f", "s16le", "pipe:1")
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2")


def as_float(sound: NDArray[np.int16]) -> NDArray[np.float32]:
    return sound.astype(np.float32) / np.float32(_SCALE)


def _pcm(path: Path, *output: str) -> bytes:
    with sandbox.Child(ffmpeg.decoding("-map", "0:a:0", "-vn", "-sn", "-dn", *output), source=path) as child:
        pcm = b"".join(child.blocks())
        outcome = child.finish()
    if not pcm:
        raise Transient(reason=f"nothing decodes: {outcome.log.strip()[-300:]}")
    return pcm


def _encoded(together: NDArray[np.int16], target: Path) -> Path:
    rate, channels = str(RATE), str(together.shape[1])
    source = ("-f", "s16le", "-ar", rate, "-ac", channels, "-i", "pipe:0")
    how = ("-map_metadata", "-1", "-c:a", "flac", "-compression_level", "1")  # 3 % larger, read a fifth faster
    output = (*how, "-f", "flac", f"file:{target.absolute()}")
    with sandbox.Child(ffmpeg.encoding(*source, *output), limits=_LIMITS) as child:
        child.write(together.data.cast("B") if together.flags.c_contiguous else together.tobytes())
        outcome = child.finish()
    if outcome.code:
        target.unlink(missing_ok=True)
        raise Transient(reason=outcome.log.strip()[-300:])
    return target


def encode_mono(samples: NDArray[np.int16]) -> bytes:
    """Mono samples at `RATE` as FLAC, without loss. Shape (samples,)."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def decode_mono(data: bytes) -> NDArray[np.int16]:
    """Undo `encode_mono`."""
    samples: NDArray[np.int16]
    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    return samples
