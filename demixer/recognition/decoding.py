"""One decode of a file, which gives all that is measured of its sound before it is worth a separation."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demixer.audio import ffmpeg, probe, sandbox
from demixer.audio.decode import MONO_LOSS, TO_STEREO
from demixer.domain import Encoding
from demixer.domain.errors import Refused
from demixer.recognition import reference, thresholds
from demixer.recognition.bandwidth import BandwidthMeter
from demixer.recognition.fingerprint import HALF_HOP_SAMPLES, Fingerprint
from demixer.recognition.reference import Pcm
from demixer.runtime import tempdirs

SAMPLE_RATE = 44_100  # Hz
_FRAME_BYTES = 4  # of a stereo frame of 16 bits
_ERRORS_EVERYWHERE = 69  # ffmpeg's exit code when more than two thirds of the frames did not decode

# The filters of ffmpeg are threads that hand each other one frame at a time, and those of an MP3 have 1,152 samples:
# with larger frames all this takes half as long, and gives the same samples. But what waits to fill a frame is lost
# where the format changes.
_LARGE_FRAMES, _ORIGINAL_FRAMES = "asetnsamples=n=16384:p=0", "anull"
_FORMAT_CHANGED = "Reconfiguring filter graph"  # what ffmpeg says of that: mono after stereo, or another sample rate

# Decoded once, resampled once: what is fingerprinted and what is compared come from the same samples.
_FILTERS = ";".join(
    (
        "[0:a:0]{frames},asplit[stereo][mono]",
        f"[stereo]{TO_STEREO.format(format='s16', rate=SAMPLE_RATE)}[pcm]",
        f"[mono]{reference.TO_MONO},asplit=3[first][second][third]",
        "[first]aformat=s16[fingerprint]",
        f"[second]atrim=start_sample={HALF_HOP_SAMPLES},aformat=s16[shifted]",
        f"[third]{reference.HALVED},aformat=s16[samples]",
    )
)
_PCM = ("-f", "s16le")
_FINGERPRINT = ("-f", "chromaprint", "-algorithm", "1", "-fp_format", "raw")  # TEST2 of the whole song


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedAudio:
    duration: float  # seconds of what decodes, whatever the header claims
    peak: float  # of the stereo mix, full scale 1.0, which is the maximum
    container: str  # as ffmpeg names it, such as "mp3", "mov", "matroska"
    has_video: bool
    encoding: Encoding
    fingerprint: Fingerprint
    shifted_fingerprint: Fingerprint  # the half-hop variant: of the file without its first `HALF_HOP_SAMPLES`
    samples: Pcm  # shape (samples,), int16, mono at `reference.RATE`

    @property
    def fingerprints(self) -> tuple[Fingerprint, Fingerprint]:
        """Both alignment variants."""
        return self.fingerprint, self.shifted_fingerprint

    @property
    def sample_hash(self) -> str:
        """SHA-256 (hex) of the samples: equal for files that differ in their container or in lossless compression."""
        return hashlib.sha256(self.samples.astype("<i2").tobytes()).hexdigest()


def decode_and_fingerprint(
    path: Path, *, max_minutes: float, min_seconds: float = thresholds.MIN_SECONDS
) -> DecodedAudio:
    """Decode once (twice where the format changes on the way). About 0.1 s and 1.3 MB a minute of music.

    Raises `Refused`: "not-audio", "no-sound", "damaged-audio", "too-short" (min_seconds), "too-long" (max_minutes; as
    soon as the limit is passed), "silent", "took-too-long"; `Transient` when the decoder was killed.
    """
    with tempdirs.folder() as folder:
        meter, outcome = _decode(path, max_minutes, folder, _LARGE_FRAMES)
        if _FORMAT_CHANGED in outcome.log:
            meter, outcome = _decode(path, max_minutes, folder, _ORIGINAL_FRAMES)
        info = probe.parse(outcome.log, path)
        if info.encoding.channels == 1:
            meter.peak /= MONO_LOSS
        if not meter.bytes or outcome.code == _ERRORS_EVERYWHERE:
            raise Refused("damaged-audio")
        if meter.seconds < min_seconds:
            raise Refused("too-short", min_seconds=f"{min_seconds:g}")
        if meter.peak < thresholds.SILENT_PEAK:
            raise Refused("silent")
        return DecodedAudio(
            duration=meter.seconds,
            peak=meter.peak,
            container=info.container,
            has_video=info.has_video,
            encoding=replace(info.encoding, bandwidth=min(meter.bandwidth.bandwidth(), info.encoding.sample_rate // 2)),
            fingerprint=Fingerprint(_items(outcome.side), meter.seconds),
            shifted_fingerprint=Fingerprint(_items((folder / "shifted").read_bytes()), meter.seconds),
            samples=np.fromfile(folder / "samples", dtype="<i2"),
        )


def _decode(path: Path, max_minutes: float, folder: Path, frames: str) -> "tuple[_Meter, sandbox.Outcome]":
    meter, filters = _Meter(max_minutes), _FILTERS.format(frames=frames)
    outputs = (
        *("-map", "[pcm]", *_PCM, "pipe:1"),
        *("-map", "[fingerprint]", *_FINGERPRINT, sandbox.SIDE),
        *("-map", "[shifted]", *_FINGERPRINT, f"file:{folder / 'shifted'}"),
        *("-map", "[samples]", *_PCM, f"file:{folder / 'samples'}"),
    )
    with sandbox.Child(ffmpeg.decoding("-y", "-filter_complex", filters, *outputs), source=path) as child:
        meter.measure(child.blocks())
        return meter, child.finish()


def _items(raw: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<u4").astype(np.uint32)


class _Meter:
    """Measures 16-bit stereo PCM at `SAMPLE_RATE` as it passes."""

    def __init__(self, max_minutes: float) -> None:
        self._max_minutes = max_minutes
        self.bytes = 0
        self.peak = 0.0
        self.bandwidth = BandwidthMeter(SAMPLE_RATE)

    @property
    def seconds(self) -> float:
        return self.bytes // _FRAME_BYTES / SAMPLE_RATE

    def measure(self, blocks: Iterable[bytes]) -> None:
        """Raises `Refused("too-long")` as soon as the limit is passed."""
        rest = b""
        for block in blocks:
            self.bytes += len(block)
            if self.seconds > self._max_minutes * 60:
                raise Refused("too-long", max_minutes=f"{self._max_minutes:g}")
            block = rest + block
            whole = len(block) // _FRAME_BYTES * _FRAME_BYTES
            rest = block[whole:]
            samples = np.frombuffer(block, dtype="<i2", count=whole // 2)
            if samples.size:
                self.peak = max(self.peak, int(samples.max()) / 32768, int(samples.min()) / -32768)
                self.bandwidth.add(samples.reshape(-1, 2))
