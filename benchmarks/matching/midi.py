"""Songs rendered by FluidSynth: every part can be rendered alone, so their stems are known exactly."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import mido
import numpy as np

from tests.audio_samples import SAMPLE_RATE, Samples

FONTS = Path("/usr/share/sounds/sf2")
FONT, OTHER_FONT = FONTS / "FluidR3_GM.sf2", FONTS / "TimGM6mb.sf2"
DRUMS = 9  # the channel of General MIDI
BASSES = range(32, 40)  # programs
TICKS = 10_000  # a second
LOUDEST = 0.8  # of full scale
FLUIDSYNTH = ("fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.4", "-r", str(SAMPLE_RATE))


@dataclass(frozen=True, slots=True)
class Event:
    at: float  # seconds
    message: Any  # of mido


Score = Sequence[Event]


def require_programs() -> None:
    """Raises `ClickException` with what is to be installed."""
    if not (shutil.which("fluidsynth") and FONT.exists() and OTHER_FONT.exists()):
        raise click.ClickException("apt-get install fluidsynth fluid-soundfont-gm timgm6mb-soundfont")


def score_of(path: Path, seconds: float) -> Score:
    """The first seconds of a file; none where it is no MIDI that can be read."""
    try:
        file = mido.MidiFile(path, clip=True)
        at, score = 0.0, []
        for message in file:
            at += message.time
            if at < seconds and not message.is_meta:
                score.append(Event(at, message))
    except (ValueError, OSError, EOFError, KeyError):
        return []
    return score


def parts_of(score: Score) -> dict[str, set[int]]:
    """Channels: drums, bass, the melody (the highest of those that play much) as "vocals", and the other ones."""
    programs, notes = _programs_and_notes(score)
    parts: dict[str, set[int]] = {"vocals": set(), "drums": set(), "bass": set(), "other": set()}
    for channel in notes:
        bass = programs.get(channel, 0) in BASSES
        parts["drums" if channel == DRUMS else "bass" if bass else "other"].add(channel)
    if parts["other"]:
        melody = max(parts["other"], key=lambda channel: np.mean(notes[channel]) * min(len(notes[channel]), 200))
        parts["other"].remove(melody)
        parts["vocals"].add(melody)
    return {name: channels for name, channels in parts.items() if channels}


def _programs_and_notes(score: Score) -> tuple[dict[int, int], dict[int, list[int]]]:
    programs: dict[int, int] = {}
    notes: dict[int, list[int]] = {}
    for message in (event.message for event in score):
        if message.type == "program_change":
            programs.setdefault(message.channel, message.program)
        if message.type == "note_on" and message.velocity:
            notes.setdefault(message.channel, []).append(message.note)
    return programs, notes


def keep_channels(score: Score, channels: Container[int]) -> Score:
    notes = ("note_on", "note_off")
    return [event for event in score if event.message.type not in notes or event.message.channel in channels]


def transposed(score: Score, by: int) -> Score:
    def moved(message: Any) -> Any:
        tuned = message.type in ("note_on", "note_off") and message.channel != DRUMS
        return message.copy(note=min(127, max(0, message.note + by))) if tuned else message

    return [replace(event, message=moved(event.message)) for event in score]


def other_instruments(score: Score) -> Score:
    """Each program of General MIDI moved by 20, so that a piano becomes an organ."""

    def changed(message: Any) -> Any:
        return message.copy(program=(message.program + 20) % 112) if message.type == "program_change" else message

    return [replace(event, message=changed(event.message)) for event in score]


def faster(score: Score, share: float) -> Score:
    return [replace(event, at=event.at / (1 + share)) for event in score]


def humanized(score: Score, seed: int, drift: float) -> Score:
    """Each note up to 30 ms early or late and struck a little harder or softer; the tempo sways by `drift`."""
    random = np.random.default_rng(seed)

    def struck(message: Any) -> Any:
        if message.type == "note_on" and message.velocity:
            return message.copy(velocity=int(np.clip(message.velocity + random.normal(0, 8), 1, 127)))
        return message

    def moved(at: float) -> float:
        sway = drift * 20 / (2 * np.pi) * np.sin(2 * np.pi * at / 20)
        return max(0.0, at + float(sway) + float(np.clip(random.normal(0, 0.012), -0.03, 0.03)))

    late = [
        Event(moved(event.at) if event.message.type == "note_on" else event.at, struck(event.message))
        for event in score
    ]
    return sorted(late, key=lambda event: event.at)


def render(score: Score, seconds: float, font: Path = FONT) -> Samples:
    """Without reverb and chorus, so that parts that are rendered alone add up to the whole. Shape (2, samples)."""
    frames = round(seconds * SAMPLE_RATE)
    with tempfile.NamedTemporaryFile(suffix=".mid") as written:
        _file(score).save(written.name)
        command = [*FLUIDSYNTH, "-O", "float", "-T", "raw", "-F", "/dev/stdout", str(font), written.name]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=quiet) as process:
            assert process.stdout
            raw = process.stdout.read(frames * 8)
            process.kill()  # it would go on with silence, for ever
    samples = np.zeros((frames, 2), dtype=np.float32)
    samples.reshape(-1)[: len(raw) // 4] = np.frombuffer(raw, dtype="<f4")
    return samples.T


def _file(score: Score) -> mido.MidiFile:
    track = mido.MidiTrack()
    before = 0
    for event in score:
        tick = round(event.at * TICKS)
        track.append(event.message.copy(time=max(0, tick - before)))
        before = max(before, tick)
    return mido.MidiFile(type=0, ticks_per_beat=TICKS // 2, tracks=[track])  # 120 beats a minute, two a second


VARIANTS: dict[str, Callable[[Score], tuple[Score, Path]]] = {
    "other sound font": lambda score: (score, OTHER_FONT),
    "other instruments": lambda score: (other_instruments(score), FONT),
    "live, tempo sways by 1.5 %": lambda score: (humanized(score, 1, 0.015), FONT),
    "live, same tempo": lambda score: (humanized(score, 2, 0.0), FONT),
    "a semitone up": lambda score: (transposed(score, 1), FONT),
    "tempo + 1 %": lambda score: (faster(score, 0.01), FONT),
    "tempo + 3 %": lambda score: (faster(score, 0.03), FONT),
}
