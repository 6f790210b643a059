"""Encodes stems in the formats of `demixer.domain.formats`: FLAC to store, MP3 to play, WAV on demand."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from demixer.audio import ffmpeg, sandbox
from demixer.domain.errors import DemixerError, Refused, StorageFull, Transient
from demixer.domain.formats import STEM_FORMATS, STORED_FORMATS

_FULL_SCALE = 1 << 23  # of 24 bits
# The player fetches ranges of whole frames and decodes them alone, so every frame has the same size (within the padding
# byte of 44.1 kHz) and none uses the bit reservoir.
# LAME scales everything by 0.97 at this bit rate, which is undone before, in floating point.
_LEVEL = ("-af", f"aformat=sample_fmts=fltp,volume={1 / 0.97:.6f}:precision=float")
_OPTIONS: Mapping[str, tuple[str, ...]] = {  # by extension
    # The samples come as 32 bits with the lower 8 empty: the encoder is told so that it stores 24.
    "flac": ("-sample_fmt", "s32", "-bits_per_raw_sample", "24"),
    "mp3": (*_LEVEL, "-ar", "44100", "-reservoir", "0", "-id3v2_version", "3"),
    "wav": ("-rf64", "auto"),  # RF64 past 4 GB
}
_TAGS = ("-map_metadata", "-1", "-metadata", "encoded_by=Isolaatti Demixer")
_LIMITS = sandbox.Limits(wait=300.0, cpu=600)


class StemWriter:
    """Writes `<folder>/<name>.<extension>` in all `STORED_FORMATS`, streaming: FLAC of 24 bits, MP3 of a constant bit
    rate without bit reservoir.

    The files have no tags of the song, which may be edited later: a download gets its name from the catalogue. As a
    context manager it finishes, or aborts on an exception. Raises `StorageFull`, `Transient`.
    """

    def __init__(self, folder: Path, name: str, *, sample_rate: int = 44_100, channels: int = 2) -> None:
        self._channels, self._done = channels, False
        self.files = tuple((folder / f"{name}.{extension}").absolute() for extension in STORED_FORMATS)
        source = ("-f", "s32le", "-ar", str(sample_rate), "-ac", str(channels), "-i", "pipe:0")
        outputs = [option for path in self.files for option in (*_TAGS, *_output(path))]
        self._child = sandbox.Child(ffmpeg.encoding(*source, *outputs), limits=_LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.finish()
        else:
            self.abort()

    def write(self, block: NDArray[np.float32]) -> None:
        """`block`: float32, shape (channels, frames). What exceeds full scale, 1.0, is clipped."""
        assert block.ndim == 2
        assert block.shape[0] == self._channels
        try:
            self._child.write(_pcm(block))
        except BrokenPipeError:
            self.finish()  # raises the reason
            raise Transient(reason="the encoder stopped early") from None
        except DemixerError as error:
            self.abort()
            raise _as_encoder_error(error) from error

    def finish(self) -> None:
        """The files are complete when this returns, and deleted when it raises."""
        try:
            with self._child:
                _check(self._child.finish())
            self._done = True
        except DemixerError as error:
            self.abort()
            raise _as_encoder_error(error) from error

    def abort(self) -> None:
        """Stop and delete the files. Does nothing after `finish`."""
        self._child.kill()
        if not self._done:
            for path in self.files:
                path.unlink(missing_ok=True)


def convert(flac: Path, target: Path) -> None:
    """Write a stem in the format that the extension of `target` names; to WAV, sample for sample.

    Raises as `StemWriter` does; then the file is deleted.
    """
    output = ("-y", "-map", "0:a:0", "-map_metadata", "-1", *_output(target.absolute()))
    try:
        _check(sandbox.run(ffmpeg.decoding("-loglevel", "error", *output), source=flac, limits=_LIMITS))
    except DemixerError as error:
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
        raise _as_encoder_error(error) from error


def _output(path: Path) -> tuple[str, ...]:
    """ffmpeg's arguments for one output file, in the format that its extension names."""
    made = STEM_FORMATS[path.suffix[1:]]
    bit_rate = ("-b:a", str(made.bit_rate)) if made.bit_rate else ()
    return ("-c:a", made.codec, *bit_rate, *_OPTIONS[made.extension], "-f", made.extension, f"file:{path}")


def _pcm(block: NDArray[np.float32]) -> bytes:
    """Interleaved 32-bit integers, rounded to 24 bits (adding 0.5 LSB of error, -150 dBFS, so no dither)."""
    scaled = np.rint(block.T * np.float64(_FULL_SCALE)).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    return (scaled.astype("<i4") << 8).tobytes()


def _check(outcome: sandbox.Outcome) -> None:
    if "No space left" in outcome.log or "Disk quota exceeded" in outcome.log:
        raise StorageFull
    if outcome.code:
        raise Transient(reason=outcome.log.strip()[-300:])


def _as_encoder_error(error: DemixerError) -> DemixerError:
    """A timeout is not the fault of the audio here, which this program made."""
    return Transient(reason="the encoder took too long") if isinstance(error, Refused) else error
