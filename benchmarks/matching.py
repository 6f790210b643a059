"""What is recognised as what: files made of real music in many ways, each compared with its song and with all others.

    python -m benchmarks.matching [--tracks 100]

Songs are tracks of Debian packages (see `PACKAGES`), with the stems of the built-in model. A file goes through what the
`fingerprint` consumer does: decoded once, printed in two phases, looked up among the prints of all songs by the rule of
`demixer.audio.likeness`, and where that says "same", its sound is compared with the song and its stems.

Promised: 98 % of each kind that keeps recording and mix are the same, and no other song ever is.
"""

import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import click
import numpy as np

from benchmarks.report import print_table
from demixer.audio import likeness, mix, reference
from demixer.audio.examine import Examination, examine
from demixer.audio.fingerprint import Fingerprint
from demixer.audio.likeness import Likeness
from demixer.audio.reference import RATE
from demixer.audio.separation.worker import SeparationWorker
from tests import music
from tests.audio_samples import SAMPLE_RATE, Samples, write
from tests.houses import settings_in

SEED = 20_261_125
SECONDS = 120  # of each track at most
PACKAGES = ("wesnoth-1.16-music", "supertux-data", "drascula-music", "hedgewars-data", "planetblupi-music-ogg")
SUFFIXES = (".ogg", ".mp3", ".flac", ".opus")
PROMISED = 0.98
MODEL = "spleeter-2stems"

SAME: Mapping[str, tuple[str, ...]] = {
    "wav": ("wav",),
    "flac": ("flac",),
    "mp3 320": ("mp3", "-b:a", "320k"),
    "mp3 128": ("mp3", "-b:a", "128k"),
    "mp3 64": ("mp3", "-b:a", "64k"),
    "mp3 32": ("mp3", "-b:a", "32k"),
    "ogg q1": ("ogg", "-c:a", "libvorbis", "-q:a", "1"),
    "aac 96": ("m4a", "-c:a", "aac", "-b:a", "96k"),
    "aac 32 mono": ("m4a", "-c:a", "aac", "-b:a", "32k", "-ac", "1", "-ar", "22050"),
    "opus 48": ("opus", "-c:a", "libopus", "-b:a", "48k"),
    "opus 32": ("opus", "-c:a", "libopus", "-b:a", "32k"),
    "wma 64": ("wma", "-c:a", "wmav2", "-b:a", "64k"),
    "mono": ("wav", "-ac", "1"),
    "22,050 Hz": ("wav", "-ar", "22050"),
    "8,000 Hz": ("wav", "-ar", "8000"),
    "-6 dB": ("wav", "-af", "volume=-6dB"),
    "-30 dB": ("wav", "-af", "volume=-30dB"),
    "+6 dB, clipped": ("wav", "-af", "volume=6dB"),
    "+12 dB, clipped": ("wav", "-af", "volume=12dB"),
    "loudness normalised": ("wav", "-af", "loudnorm", "-ar", "44100"),
    "1 s of silence before": ("wav", "-af", "adelay=1000:all=1"),
    "20 s of silence before": ("wav", "-af", "adelay=20000:all=1"),
    "1 s cut": ("wav", "-af", "atrim=start=1"),
    "3 s cut": ("wav", "-af", "atrim=start=3"),
    "10 s cut": ("wav", "-af", "atrim=start=10"),
    "half an item cut": ("wav", "-af", "atrim=start=0.0619"),
    "noise at -20 dB": ("wav", "noise"),
}
LAG = {  # seconds
    "1 s of silence before": 1.0,
    "20 s of silence before": 20.0,
    "1 s cut": -1.0,
    "3 s cut": -3.0,
    "10 s cut": -10.0,
    "half an item cut": -0.0619,
}
OTHER = (
    "20 s cut out",
    "5 s put in",
    "40 s of another song before",
    "another song at -12 dB",
    "another song at -6 dB",
    "1 % faster",
    "5 % faster",
    "a semitone up",
    "tempo + 2 %",
)
FILTERS = {
    "1 % faster": "asetrate=44541,aresample=44100",
    "5 % faster": "asetrate=46305,aresample=44100",
    "a semitone up": "asetrate=46722,aresample=44100,atempo=0.943874",
    "tempo + 2 %": "atempo=1.02",
}


@dataclass(frozen=True, slots=True)
class Known:
    song: Path
    fingerprint: bytes
    reference: Path
    stems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: str
    finding: str  # of the song it was made of
    wrong: int  # other songs that it is said to be
    nearest: float  # bit error rate of the nearest other song, where half of the shorter overlaps
    late: float | None  # milliseconds that its lag is off
    matching_ms: float  # the look at all prints, for each
    sound_ms: float


@click.command()
@click.option("--tracks", "count", default=100)
def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        known = prepared(work, tracks_of(work, count))
        with ProcessPoolExecutor(2, initializer=_know, initargs=(known,)) as pool:
            outcomes = [one for each in pool.map(_outcomes, range(len(known))) for one in each]
    sys.exit(0 if report(outcomes, len(known)) else 1)


def tracks_of(work: Path, count: int) -> list[Path]:
    """Of at least a minute, spread over the packages."""
    found = sorted(path for package in PACKAGES for path in _unpacked(work, package) if path.suffix in SUFFIXES)
    random.Random(SEED).shuffle(found)
    long_enough = (path for path in found if path.stat().st_size > 500_000 and seconds_of(path) >= 60)
    return list(islice(long_enough, count))


def _unpacked(work: Path, package: str) -> Iterator[Path]:
    folder = work / package
    folder.mkdir()
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), str(folder)], check=True)
    return folder.rglob("*")


def seconds_of(path: Path) -> float:
    return float(music.decoded(path).shape[1] / SAMPLE_RATE)


def prepared(work: Path, tracks: Sequence[Path]) -> list[Known]:
    """Separated as the service does it, which leaves the reference beside the stems."""
    worker = SeparationWorker(settings_in(work / "data"))
    try:
        return [_prepared(worker, work / str(number), track) for number, track in enumerate(tracks)]
    finally:
        worker.close()


def _prepared(worker: SeparationWorker, folder: Path, track: Path) -> Known:
    folder.mkdir()
    song = music.converted(track, folder / "song.flac", "-t", str(SECONDS), "-ar", "44100", "-ac", "2")
    made = worker.separate(song, folder / "stems", MODEL, on_progress=lambda _: None, should_stop=lambda: False)
    fingerprint = examine(song, max_minutes=20).fingerprint.to_bytes()
    return Known(song, fingerprint, folder / "stems" / reference.FILE, tuple(stem.name for stem in made.stems))


_KNOWN: list[Known] = []
_PRINTS: list[Fingerprint] = []


def _know(known: Sequence[Known]) -> None:
    """In each process."""
    _KNOWN[:] = known
    _PRINTS[:] = [Fingerprint.from_bytes(one.fingerprint) for one in known]


def _outcomes(number: int) -> list[Outcome]:
    song = music.decoded(_KNOWN[number].song)
    other = music.decoded(_KNOWN[(number + 1) % len(_KNOWN)].song)
    with tempfile.TemporaryDirectory() as name:
        made = [(kind, file_of(Path(name), kind, song, other)) for kind in (*SAME, *OTHER)]
        return [outcome(number, kind, path) for kind, path in made]


def file_of(folder: Path, kind: str, song: Samples, other: Samples) -> Path:
    if kind in SAME:
        suffix, *options = SAME[kind]
        if options == ["noise"]:
            return write(folder / f"{kind}.wav", with_noise(song))
        return write(folder / f"{kind}.{suffix}", song, *options)
    if kind in FILTERS:
        return write(folder / f"{kind}.wav", song, "-af", FILTERS[kind])
    return write(folder / f"{kind}.mp3", edited(kind, song, other), "-b:a", "128k")


def with_noise(song: Samples) -> Samples:
    noise = np.random.default_rng(SEED).standard_normal(song.shape) * np.sqrt(np.mean(song**2)) * 0.1
    return np.asarray(song + noise, dtype=np.float32)


def edited(kind: str, song: Samples, other: Samples) -> Samples:
    at = [second * SAMPLE_RATE for second in (0, 20, 30, 40)]
    match kind:
        case "20 s cut out":
            return np.concatenate([song[:, : at[1]], song[:, at[3] :]], axis=1)
        case "5 s put in":
            return np.concatenate([song[:, : at[2]], other[:, : 5 * SAMPLE_RATE], song[:, at[2] :]], axis=1)
        case "40 s of another song before":
            return np.concatenate([other[:, : at[3]], song], axis=1)
        case _:
            level = float(kind.split()[-2])
            repeated = np.resize(other.T, song.T.shape).T
            louder = np.sqrt(np.mean(song**2) / np.mean(repeated**2)) * 10 ** (level / 20)
            return np.asarray(song + repeated * louder, dtype=np.float32)


def outcome(number: int, kind: str, path: Path) -> Outcome:
    found = examine(path, max_minutes=20)
    phases = [found.fingerprint, found.shifted]
    began = perf_counter()
    alike = [likeness.compare(song, phases) for song in _PRINTS]
    matching = (perf_counter() - began) * 1000 / len(_PRINTS)
    began = perf_counter()
    finding, lag = by_sound(number, alike[number], found)
    sound = (perf_counter() - began) * 1000
    others = [other for other in range(len(_PRINTS)) if other != number]
    wrong = sum(by_sound(other, alike[other], found)[0] == "same" for other in others)
    nearest = min((alike[other].bit_error_rate for other in others if alike[other].overlap >= 0.5), default=1.0)
    late = abs(lag - LAG.get(kind, 0.0)) * 1000 if lag is not None and finding == "same" else None
    return Outcome(kind, finding, wrong, nearest, late, matching, sound)


def by_sound(number: int, like: Likeness, found: Examination) -> tuple[str, float | None]:
    """As `demixer.comparison` has it, and the lag in seconds."""
    if not like.same:
        return like.kind.value, None
    known = reference.read(_KNOWN[number].reference, _KNOWN[number].stems)
    heard = mix.compare(reference.as_float(found.sound), known, round(like.offset * RATE))
    if heard.alignment is None:
        return ("edit" if like.sure else "version"), None
    return ("same" if heard.same else "mix"), heard.alignment.lag / RATE


def report(outcomes: Sequence[Outcome], songs: int) -> bool:
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        kinds[one.kind].append(one)
    rows = [row(kind, found) for kind, found in kinds.items()]
    print_table(("made so", "files", "same", "mix", "edit", "version", "nothing", "ms off, at most"), rows)
    shares = {kind: statistics.mean(one.finding == "same" for one in found) for kind, found in kinds.items()}
    wrong, pairs = sum(one.wrong for one in outcomes), len(outcomes) * (songs - 1)
    recall = statistics.mean(shares[kind] for kind in SAME)
    print(
        f"\nrecall {recall:.2%}; {wrong} of {pairs} other songs taken for the same, the nearest at a bit error rate of"
    )
    print(f"{min(one.nearest for one in outcomes):.3f} (the same: {likeness.MAX_ERROR_RATE} at most)")
    print(f"matching {statistics.median(one.matching_ms for one in outcomes):.2f} ms a song, ", end="")
    print(f"the sound {statistics.median(one.sound_ms for one in outcomes if one.finding in ('same', 'mix')):.0f} ms")
    return wrong == 0 and all(shares[kind] >= PROMISED for kind in SAME) and not any(shares[kind] for kind in FILTERS)


def row(kind: str, found: Sequence[Outcome]) -> list[object]:
    counts = [sum(one.finding == name for one in found) for name in ("same", "mix", "edit", "version", "different")]
    late = [one.late for one in found if one.late is not None]
    return [kind, len(found), *counts, max(late, default=0.0)]


if __name__ == "__main__":
    main()
