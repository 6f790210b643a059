"""Songs with their stems: separated as the service does it, or rendered part by part. What is made is kept."""

import json
import shutil
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.matching import corpus, midi
from benchmarks.matching.sources import SECONDS, Song
from demixer.recognition import reference
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.runtime import tempdirs
from demixer.separation import device, loading, models
from demixer.separation.engine import Engine
from demixer.separation.spool import Spool
from tests import music
from tests.audio_samples import write

MODEL = "spleeter-2stems"
PEAK = 0.8  # of a rendered song


def prepare(work: Path, source: Path) -> Song:
    name = f"midi/{source.stem}" if source.suffix.lower() == ".mid" else corpus.name_of(source)
    folder = work / "songs" / name
    if not (folder / "song.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stems = _rendered(source, folder) if name.startswith("midi/") else _separated(source, folder)
        _keep(folder, stems)
    return load(work, folder)


def load_all(work: Path) -> list[Song]:
    """All that are prepared."""
    return [load(work, path.parent) for path in sorted((work / "songs").rglob("song.json"))]


def load(work: Path, folder: Path) -> Song:
    kept = json.loads((folder / "song.json").read_text())
    name = str(folder.relative_to(work / "songs"))
    return Song(name, folder, tuple(kept["shares"]), bytes.fromhex(kept["print"]), kept["shares"])


def _keep(folder: Path, stems: tuple[str, ...]) -> None:
    fingerprint = decode_and_fingerprint(folder / "song.flac", max_minutes=20).fingerprint.to_bytes()
    known = reference.read(folder / reference.FILE, stems)
    assert known is not None, f"{folder} has a damaged reference: remove it"
    samples = known.samples.astype(np.float64)
    energies = (samples**2).mean(axis=1)
    shares = dict(zip(stems, (energies[1:] / max(energies[0], 1e-12)).tolist(), strict=True))
    (folder / "song.json").write_text(json.dumps({"print": fingerprint.hex(), "shares": shares}))


def _separated(track: Path, folder: Path) -> tuple[str, ...]:
    """By the model that the service separates with, without its FLAC and MP3 files."""
    song = music.converted(track, folder / "song.flac", "-t", str(SECONDS), "-ar", "44100", "-ac", "2")
    engine = _engine()
    with tempdirs.folder() as stems, Spool(stems, engine.channels) as mixture:
        mixture.append(music.decoded(song))
        with closing(engine.separate(mixture, lambda: None)) as blocks:
            separated = np.concatenate(list(blocks), axis=2)
        for name, stem in zip(engine.stems, separated, strict=True):
            write(stems / f"{name}.flac", stem)
        made = reference.write(song, stems, engine.stems)
        shutil.move(made, folder / reference.FILE)
    return tuple(engine.stems)


@cache
def _engine() -> Engine:
    return loading.load(models.choice_of(MODEL, None), device.choose("cpu"), None)


def _rendered(path: Path, folder: Path) -> tuple[str, ...]:
    score = midi.score_of(path, SECONDS)
    parts = {name: midi.render(midi.keep_channels(score, some), SECONDS) for name, some in midi.parts_of(score).items()}
    whole = np.sum(list(parts.values()), axis=0)
    gain = np.float32(PEAK / max(1e-6, float(np.abs(whole).max())))
    song = write(folder / "song.flac", whole * gain)
    for name, part in parts.items():
        write(folder / f"{name}.flac", part * gain)
    reference.write(song, folder, list(parts))
    _render_variants(score, folder)
    return tuple(parts)


def _render_variants(score: midi.Score, folder: Path) -> None:
    (folder / "variants").mkdir()
    for name, made in midi.VARIANTS.items():
        changed, font = made(score)
        samples = midi.render(changed, SECONDS, font)
        gain = np.float32(PEAK / max(1e-6, float(np.abs(samples).max())))
        write(folder / "variants" / f"{name}.flac", samples * gain)
