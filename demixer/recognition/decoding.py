"""Everything that is to be known about a file before it is worth a separation, from one decode."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demixer.audio import ffmpeg, probe, sandbox
from demixer.audio.decode import MONO_LOSS, TO_STEREO
from demixer.audio.probe import AudioInfo
from demixer.domain.errors import Refused
from demixer.recognition import reference
from demixer.recognition.fingerprint import SHIFT_SAMPLES, Fingerprint
from demixer.runtime import tempdirs

SAMPLE_RATE = 44_100  # Hz
SILENCE = 10 ** (-60 / 20)  # a peak below -60 dBFS in the whole file: the dither and hum of an empty recording
_FRAME = 4  # bytes of a stereo frame of 16 bits
_ERRORS_EVERYWHERE = 69  # ffmpeg's exit code when more than two thirds of the frames did not decode

# ffmpeg's parts are threads that hand each other one frame at a time, and those of an MP3 have 1,152 samples: with
# larger ones all this takes half as long, and gives the same samples. But what waits to fill one is lost where the
# format changes.
_LARGE, _AS_THEY_COME = "asetnsamples=n=16384:p=0", "anull"
_CHANGED = "Reconfiguring filter graph"  # what ffmpeg says of that: mono after stereo, or another sample rate

# Decoded once, resampled once: what is printed and what is compared come from the same samples.
_FILTERS = ";".join(
    (
        "[0:a:0]{frames},asplit[wide][narrow]",
        f"[wide]{TO_STEREO.format(format='s16', rate=SAMPLE_RATE)}[pcm]",
        f"[narrow]{reference.TO_MONO},asplit=3[first][second][sound]",
        "[first]aformat=s16[print]",
        f"[second]atrim=start_sample={SHIFT_SAMPLES},aformat=s16[shifted]",
        f"[sound]{reference.QUIETER},aformat=s16[mono]",
    )
)
_S16 = ("-f", "s16le")
# Chromaprint's TEST2 (1) over the whole song at the rate it works at: shared/fingerprints.md, section 0.
_PRINT = ("-f", "chromaprint", "-algorithm", "1", "-fp_format", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    duration_s: float  # of what decodes, whatever the header claims
    peak: float  # linear, full scale 1.0, held at 1.0, of the stereo mix
    info: AudioInfo
    fingerprint: Fingerprint
    shifted: Fingerprint  # the same without the first `SHIFT_SAMPLES`
    sound: NDArray[np.int16]  # shape (samples,), as `demixer.recognition.reference.samples` has it

    @property
    def sound_sha256(self) -> str:
        """Equal for files that decode to the same samples: one in another container, or compressed without loss."""
        return hashlib.sha256(self.sound.astype("<i2").tobytes()).hexdigest()


def examine(path: Path, *, max_minutes: float, min_seconds: float = 5.0) -> Examination:
    """Decode once (twice where the format changes): true duration, loudness, fingerprints and sound. About 0.1 s and
    1.3 MB a minute of music.

    Raises `Refused`: "not-audio", "no-sound", "damaged-audio", "too-short" (min_seconds), "too-long" (max_minutes; as
    soon as the limit is passed), "silent", "took-too-long"; `Transient` when the decoder was killed.
    """
    with tempdirs.folder() as folder:
        meter, outcome = _decoded(path, max_minutes, folder, _LARGE)
        if _CHANGED in outcome.log:
            meter, outcome = _decoded(path, max_minutes, folder, _AS_THEY_COME)
        info = probe.parse(outcome.log, path)
        if info.channels == 1:
            meter.peak /= MONO_LOSS
        _refuse_unusable(meter, outcome, min_seconds)
        return Examination(
            duration_s=meter.seconds,
            peak=meter.peak,
            info=info,
            fingerprint=Fingerprint(_items(outcome.side), meter.seconds),
            shifted=Fingerprint(_items((folder / "shifted").read_bytes()), meter.seconds),
            sound=np.fromfile(folder / "sound", dtype="<i2"),
        )


def _decoded(path: Path, max_minutes: float, folder: Path, frames: str) -> "tuple[_Meter, sandbox.Outcome]":
    meter, filters = _Meter(max_minutes), _FILTERS.format(frames=frames)
    outputs = (
        *("-map", "[pcm]", *_S16, "pipe:1"),
        *("-map", "[print]", *_PRINT, sandbox.SIDE),
        *("-map", "[shifted]", *_PRINT, f"file:{folder / 'shifted'}"),
        *("-map", "[mono]", *_S16, f"file:{folder / 'sound'}"),
    )
    with sandbox.Child(ffmpeg.decoding("-y", "-filter_complex", filters, *outputs), source=path) as child:
        meter.watch(child.blocks())
        return meter, child.finish()


def _items(raw: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<u4").astype(np.uint32)


def _refuse_unusable(meter: "_Meter", outcome: sandbox.Outcome, min_seconds: float) -> None:
    if not meter.bytes or outcome.code == _ERRORS_EVERYWHERE:
        raise Refused("damaged-audio")
    if meter.seconds < min_seconds:
        raise Refused("too-short", min_seconds=f"{min_seconds:g}")
    if meter.peak < SILENCE:
        raise Refused("silent")


class _Meter:
    """Counts and measures 16-bit stereo PCM as it passes."""

    def __init__(self, max_minutes: float) -> None:
        self._max_minutes = max_minutes
        self.bytes = 0
        self.peak = 0.0

    @property
    def seconds(self) -> float:
        return self.bytes // _FRAME / SAMPLE_RATE

    def watch(self, pieces: Iterable[bytes]) -> None:
        odd = b""
        for piece in pieces:
            self.bytes += len(piece)
            if self.seconds > self._max_minutes * 60:
                raise Refused("too-long", max_minutes=f"{self._max_minutes:g}")
            piece = odd + piece
            odd = piece[len(piece) // 2 * 2 :]
            self._measure(np.frombuffer(piece, dtype="<i2", count=len(piece) // 2))

    def _measure(self, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        if samples.size:
            self.peak = max(self.peak, int(samples.max()) / 32768, int(samples.min()) / -32768)
