"""One audio file to its stems: decoded, separated, encoded, in constant memory and without clipping."""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demixer.audio.decode import decode
from demixer.audio.encode import StemWriter
from demixer.audio.peaks import Peaks
from demixer.domain import Stem
from demixer.domain.errors import Cancelled, StorageFull
from demixer.separation.engine import Engine
from demixer.separation.spool import Samples, Spool

STAGING = ".separating"  # below the target folder, so that the finished files only need a new name
HEADROOM = 0.99  # the loudest sample of any stem at most: what is lossy may overshoot a little when played
DECODED = 0.03  # of the whole work, for the progress
# Up to where separating brings it; the rest is encoding. Measured for htdemucs on two cores, guessed for a GPU.
SEPARATED = {"cpu": 0.9}
SEPARATED_ON_GPU = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a separation made. Every stem has `<name>.flac`, `<name>.mp3` and `<name>.json` (`peaks.Waveform`).

    `gain` is the one factor of all stems, as `demixer.domain.Separation` has it.
    """

    model: str
    parameters: str
    device: str  # for people
    duration: float  # seconds
    gain: float
    stems: tuple[Stem, ...]


def separate_file(
    source: Path,
    folder: Path,
    engine: Engine,
    *,
    report: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> Made:
    """Write the stems of `source` into `folder`, which is made if need be. The same file gives the same stems.

    `report` gets the progress, 0 to 1, never less than before. `cancelled` is asked after every chunk. Raises
    `Cancelled`, `Refused` (as `decode.decode`), `StorageFull`, `SeparationFailed`, and then leaves nothing behind;
    files of the same names from before stay as they were.
    """
    work = _Work(engine, report, cancelled)
    with _full_disk_named(), _staging(folder) as staging, Spool(staging, engine.channels) as mixture:
        work.decode(source, mixture)
        with Spool(staging, len(engine.stems) * engine.channels) as stems:
            peaks = work.separate(mixture, stems)
            gain = min(1.0, HEADROOM / max(*peaks, HEADROOM))
            work.encode(stems, staging, gain)
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
    named = tuple(Stem(name=name, peak=peak) for name, peak in zip(engine.stems, peaks, strict=True))
    choice, duration = engine.choice, mixture.frames / engine.sample_rate
    return Made(
        model=choice.name,
        parameters=choice.parameters,
        device=engine.device.name,
        duration=duration,
        gain=gain,
        stems=named,
    )


class _Work:
    """The three parts of the work, each reporting its share of the progress."""

    def __init__(self, engine: Engine, report: Callable[[float], None], cancelled: Callable[[], bool]) -> None:
        self._engine = engine
        self._report = report
        self._cancelled = cancelled
        self._separated = SEPARATED.get(engine.device.kind, SEPARATED_ON_GPU)

    def decode(self, source: Path, mixture: Spool) -> None:
        engine = self._engine
        with closing(_decoded(source, engine)) as blocks:
            for block in blocks:
                self._stop_if_cancelled()
                mixture.append(block)
        self._report(DECODED)

    def separate(self, mixture: Spool, stems: Spool) -> list[float]:
        """Fills `stems`, all channels of all stems. Returns the peak of each stem."""
        peaks = np.zeros(len(self._engine.stems))
        tick = self._ticker(self._engine.steps(mixture.frames))
        with closing(self._engine.separate(mixture, tick)) as blocks:
            for block in blocks:
                peaks = np.maximum(peaks, np.abs(block).max(axis=(1, 2), initial=0.0))
                stems.append(block.reshape(stems.rows, -1))
        return [float(peak) for peak in peaks]

    def encode(self, stems: Spool, folder: Path, gain: float) -> None:
        rate, channels, names = self._engine.sample_rate, self._engine.channels, self._engine.stems
        waveforms = {name: Peaks(rate) for name in names}
        with ExitStack() as stack:
            writers = [
                stack.enter_context(StemWriter(folder, name, sample_rate=rate, channels=channels)) for name in names
            ]
            for block in self._counted(stems):
                parts = np.split(block * np.float32(gain), len(names))
                for part, writer, waveform in zip(parts, writers, waveforms.values(), strict=True):
                    writer.write(part)
                    waveform.add(part)
        for name, waveform in waveforms.items():
            (folder / f"{name}.json").write_text(json.dumps(waveform.waveform()))
        self._report(1.0)

    def _counted(self, stems: Spool) -> Iterator[Samples]:
        done = 0
        for block in stems.blocks():
            self._stop_if_cancelled()
            yield block
            done += block.shape[1]
            self._report(self._separated + (1 - self._separated) * 0.99 * done / stems.frames)

    def _ticker(self, steps: int) -> Callable[[], None]:
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            self._stop_if_cancelled()
            self._report(DECODED + (self._separated - DECODED) * done / steps)

        return tick

    def _stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled


def _decoded(source: Path, engine: Engine) -> Generator[Samples]:
    yield from decode(source, sample_rate=engine.sample_rate, channels=engine.channels)


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """An empty folder within `folder`, gone afterwards; on failure so is `folder`, if it is new and empty."""
    is_new = not folder.exists()
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    except BaseException:
        discard(folder, remove_folder=is_new)
        raise
    discard(folder)


def discard(folder: Path, *, remove_folder: bool = False) -> None:
    """Remove what an unfinished separation left in `folder`."""
    shutil.rmtree(folder / STAGING, ignore_errors=True)
    if remove_folder:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _full_disk_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise
