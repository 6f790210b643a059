"""Real music for the tests: nothing is committed, everything comes from a package registry.

`stem_file()` is the six seconds that `stempeg` ships; `tracks()` are songs of a Debian package, fetched once into a
cache folder. Without apt (a laptop with another system) the tests that want them are skipped; in CI they fail.
"""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

PACKAGE = "drascula-music"  # 30 Ogg tracks of the game Drascula, 36 MB
SAMPLE_RATE = 44100
STREAMS = ("mixture", "drums", "bass", "other", "vocals")  # of a .stem.mp4, in order


def stem_file() -> Path:
    """A real mixture with its four real stems: "Falcon 69" by The Easton Ellises, 6 s."""
    spec = find_spec("stempeg")  # importing it wants ffmpeg and ffprobe on the path, its data does not
    assert spec is not None
    assert spec.origin
    return Path(spec.origin).parent / "data" / "The Easton Ellises - Falcon 69.stem.mp4"


def stem_audio(name: str) -> np.ndarray:
    """One of `STREAMS` as float32, shape (2, samples), 44.1 kHz."""
    return decoded(stem_file(), stream=STREAMS.index(name))


def decoded(path: Path, stream: int = 0) -> np.ndarray:
    """Any audio as float32, shape (2, samples), 44.1 kHz."""
    out = ffmpeg("-i", str(path), "-map", f"0:a:{stream}", "-f", "f32le", "-ac", "2", "-ar", str(SAMPLE_RATE), "-")
    return np.frombuffer(out, dtype="<f4").reshape(-1, 2).T.copy()


def converted(source: Path, target: Path, *options: str) -> Path:
    """`source` in the format that the name of `target` asks for."""
    ffmpeg("-y", "-i", str(source), "-map", "0:a:0", *options, str(target))
    return target


def clip(source: Path, target: Path, start: float, seconds: float) -> Path:
    return converted(source, target, "-ss", str(start), "-t", str(seconds))


def ffmpeg(*arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def tracks() -> list[Path]:
    """The songs of the Debian package (31), in order. Its other folders hold copies of them for other languages."""
    folder = _package_folder()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail(f"the Debian package {PACKAGE} could not be fetched")
        pytest.skip(f"apt-get cannot fetch {PACKAGE} on this machine")
    return sorted(
        folder.glob("usr/share/scummvm/drascula/audio/*.ogg"),
        key=lambda path: int("".join(filter(str.isdigit, path.stem))),
    )


@cache
def _package_folder() -> Path | None:
    cached = Path(tempfile.gettempdir()) / f"demixer-test-music-{os.getuid()}" / PACKAGE
    if not cached.exists() and shutil.which("apt-get"):
        _fetch(cached)
    return cached if cached.exists() else None


def _fetch(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        if subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=work, check=False).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=False)
            subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=work, check=True)
        (package,) = Path(work).glob("*.deb")
        unpacked = Path(work) / "unpacked"
        subprocess.run(["dpkg-deb", "-x", str(package), str(unpacked)], check=True)
        if not target.exists():
            unpacked.rename(target)
