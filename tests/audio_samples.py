"""Audio made for the tests: the same samples every time, written in any format with our own ffmpeg."""

import subprocess
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100  # Hz
Samples = NDArray[np.float32]  # shape (2, frames), full scale 1.0

# Every kind of file a person may send: suffix of the name, and the options with which ffmpeg writes it.
FORMATS: dict[str, tuple[str, ...]] = {
    "mp3": (),
    "flac": (),
    "wav": (),
    "aiff": (),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus"),
    "m4a": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac"),
    "aac": ("-c:a", "aac"),
    "wma": ("-c:a", "wmav2"),
    "webm": ("-c:a", "libopus"),
    "mp4": ("-c:a", "aac"),
    "mkv": ("-c:a", "libvorbis"),
}


def ffmpeg(*arguments: str | Path) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def write(path: Path, samples: Samples, *options: str, sample_rate: int = SAMPLE_RATE) -> Path:
    """`samples` in the format that the suffix of `path` asks for."""
    raw = ("-f", "f32le", "-ar", str(sample_rate), "-ac", str(len(samples)), "-i", "pipe:0")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *raw, *options, str(path)]
    subprocess.run(command, check=True, capture_output=True, input=np.ascontiguousarray(samples.T).tobytes())
    return path


def tone(seconds: float, *, frequency: float = 440.0, peak: float = 0.5, sample_rate: int = SAMPLE_RATE) -> Samples:
    """The same sine on both sides."""
    at = np.arange(round(seconds * sample_rate)) / sample_rate
    sine = (peak * np.sin(2 * np.pi * frequency * at)).astype(np.float32)
    return np.stack([sine, sine])


def silence(seconds: float) -> Samples:
    return np.zeros((2, round(seconds * SAMPLE_RATE)), dtype=np.float32)


@cache
def music(seconds: float, seed: int = 1) -> Samples:
    """Chords of four notes with overtones, changing every half second, and a beat: enough harmony for a fingerprint."""
    random = np.random.default_rng(seed)
    beats = [_beat(random) for _ in range(int(np.ceil(seconds * 2)))]
    song = np.concatenate(beats, axis=1)[:, : round(seconds * SAMPLE_RATE)]
    song *= np.float32(0.5) / np.abs(song).max()
    song.flags.writeable = False
    return song


def _beat(random: np.random.Generator) -> Samples:
    at = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    notes = 55.0 * 2 ** (random.choice(48, size=4, replace=False) / 12)
    voices = [np.sin(2 * np.pi * note * over * at) / over for note in notes for over in (1, 2, 3)]
    drum = random.standard_normal(at.size) * np.exp(-at * 40)
    sides = [sum(random.uniform(0.3, 1) * voice for voice in voices) * np.exp(-at * 2) + drum for _ in range(2)]
    return np.stack(sides).astype(np.float32)
