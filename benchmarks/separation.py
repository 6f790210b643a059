"""Our separation beside the `demucs` command: the same machine, model, settings and song, each in a fresh process.

    python -m benchmarks.separation [--seconds 60] [--model htdemucs] [--long 600]

The model has the released htdemucs's architecture with random weights, unless MODELS_DIR names a folder with real ones:
time and memory are the same. Ours writes FLAC, MP3 and waveforms, demucs one WAV for each stem; both times are from
process start to process end. `--long` measures the peak memory of ours over a song of that many seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import imageio_ffmpeg

MEMORY_LIMIT = 3 * 1024**3  # bytes, for a song of 10 minutes on a CPU


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        models_dir = Path(os.environ["MODELS_DIR"]) if os.environ.get("MODELS_DIR") else _random_htdemucs(folder)
        song = _song(folder / "song.wav", options.seconds)
        commands = [make(options.model, models_dir, song, folder / "out") for make in (_their_command, _our_command)]
        rounds = [[_measured(command) for command in commands] for _ in range(options.rounds)]
        _print_comparison(options.seconds, *(min(runs) for runs in zip(*rounds, strict=True)))
        if options.long:
            _print_memory(options.long, _long_run(options, models_dir, folder))


def run_ours(model: str, models_dir: str, song: str, folder: str) -> None:
    """What the measured process runs."""
    from demixer.separation import device, loading, models
    from demixer.separation.separate import separate_file

    choice = models.choice_of(model, Path(models_dir))
    engine = loading.load(choice, device.choose("cpu"), Path(models_dir))
    separate_file(Path(song), Path(folder), engine, report=lambda _: None, cancelled=lambda: False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="length of the compared song")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts: others may use the machine")
    parser.add_argument("--model", default="htdemucs")
    parser.add_argument("--long", type=int, default=0, help="length of the song whose peak memory is measured")
    return parser.parse_args()


def _random_htdemucs(folder: Path) -> Path:
    """The architecture of the released htdemucs, with its 42 M parameters."""
    import torch
    from demucs.htdemucs import HTDemucs

    from tests import small_models

    torch.manual_seed(1)
    network = HTDemucs(
        sources=small_models.FOUR, bottom_channels=512, t_layers=5, dconv_mode=3, segment=Fraction(39, 5)
    )
    small_models.save_bag(folder / "models", "htdemucs", [network])
    return folder / "models"


def _song(path: Path, seconds: int) -> Path:
    spec = find_spec("stempeg")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data" / "The Easton Ellises - Falcon 69.stem.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", str(source)]
    subprocess.run([*command, "-map", "0:a:0", "-t", str(seconds), "-ar", "44100", str(path)], check=True)
    return path


def _their_command(model: str, models_dir: Path, song: Path, folder: Path) -> Sequence[str]:
    settings = ("--shifts", "0", "--overlap", "0.25", "-d", "cpu")
    return [
        sys.executable,
        "-m",
        "demucs",
        "-n",
        model,
        "--repo",
        str(models_dir),
        *settings,
        "-o",
        str(folder),
        str(song),
    ]


def _our_command(model: str, models_dir: Path, song: Path, folder: Path) -> Sequence[str]:
    call = "import sys; from benchmarks.separation import run_ours; run_ours(*sys.argv[1:])"
    return [sys.executable, "-c", call, model, str(models_dir), str(song), str(folder)]


def _measured(command: Sequence[str]) -> tuple[float, int]:
    """Seconds, and the peak of resident memory in bytes, of a process of its own (without its children)."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.monotonic() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _long_run(options: argparse.Namespace, models_dir: Path, folder: Path) -> tuple[float, int]:
    song = _song(folder / "long.wav", options.long)
    return _measured(_our_command(options.model, models_dir, song, folder / "long"))


def _print_comparison(seconds: int, theirs: tuple[float, int], ours: tuple[float, int]) -> None:
    print(f"{seconds} s of music on {os.cpu_count()} cores")
    for name, (took, memory) in (("demucs", theirs), ("ours", ours)):
        print(f"  {name:7} {took:7.1f} s  {memory / 1024**2:7.0f} MB")
    print(f"  ours takes {ours[0] / theirs[0]:.2f} of the time and {ours[1] / theirs[1]:.2f} of the memory")


def _print_memory(seconds: int, run: tuple[float, int]) -> None:
    verdict = "within" if run[1] < MEMORY_LIMIT else "OVER"
    print(f"{seconds} s of music: {run[0]:.1f} s, peak {run[1] / 1024**2:.0f} MB, {verdict} 3 GB")


if __name__ == "__main__":
    main()
