"""The music: packages of Debian, fetched into the work folder, never installed; and the fingerprints of all of it."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint, Items
from tests import music

SEED = 20_261_125
TRACKS = (
    "wesnoth-1.16-music",
    "warzone2100-music",
    "supertux-data",
    "drascula-music",
    "hedgewars-data",
    "planetblupi-music-ogg",
    "freedink-data",
)
MIDI = ("openttd-openmsx", "planetblupi-music-midi", "freedink-data")
SUFFIXES = (".ogg", ".mp3", ".flac", ".opus")
SMALLEST = 150_000  # bytes: what is smaller is no track of a minute
SHORTEST = 60.0  # seconds


def tracks(work: Path) -> list[Path]:
    """All that may be music, in an order that is always the same, and spread over the packages."""
    found = sorted(path for package in TRACKS for path in files(work, package) if path.suffix in SUFFIXES)
    found = [path for path in found if path.stat().st_size > SMALLEST]
    random.Random(SEED).shuffle(found)
    return found


def midi_files(work: Path) -> list[Path]:
    found = sorted({path for package in MIDI for path in files(work, package) if path.suffix.lower() == ".mid"})
    random.Random(SEED).shuffle(found)
    return found


def files(work: Path, package: str) -> Iterator[Path]:
    folder = work / "packages" / package
    if not (folder / ".complete").exists():
        _fetch(folder, package)
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _fetch(folder: Path, package: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
    archive.unlink()
    (folder / ".complete").touch()


def name_of(track: Path) -> str:
    """Such as "drascula-music/track12": the package, and the file in it."""
    parts = track.parts
    package = parts[parts.index("packages") + 1]
    return f"{package}/{track.parent.name}-{track.stem}".replace(" ", "_")


def fingerprint_of(work: Path, track: Path) -> Fingerprint:
    """Of the whole track, kept for the next time."""
    kept = work / "prints" / f"{name_of(track)}.print"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        items = fingerprint_items(track)
        kept.write_bytes(Fingerprint(items, len(items) * ITEM_SECONDS).to_bytes())
    return Fingerprint.from_bytes(kept.read_bytes())


def fingerprint_items(track: Path, skipped: int = 0) -> Items:
    sound = ("-i", str(track), "-map", "0:a:0", "-ac", "1", "-af", f"aresample=11025,atrim=start_sample={skipped}")
    raw = music.ffmpeg(*sound, "-f", "chromaprint", "-algorithm", "1", "-fp_format", "raw", "-")
    return np.frombuffer(raw, dtype="<u4").astype(np.uint32)
