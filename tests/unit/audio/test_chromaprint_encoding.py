"""Compared with what Chromaprint itself writes, as part of ffmpeg."""

import base64
import subprocess
from collections.abc import Callable

import imageio_ffmpeg
import numpy as np
import pytest

from demixer.adapters.acoustid.names import MAX_ITEMS
from demixer.recognition.chromaprint_encoding import encode_fingerprint
from demixer.recognition.fingerprint import Items
from tests.audio_samples import SAMPLE_RATE, Samples, music, silence, tone


def noise(seconds: float) -> Samples:
    return (0.3 * np.random.default_rng(1).standard_normal((2, round(seconds * SAMPLE_RATE)))).astype(np.float32)


def chromaprint(samples: Samples, kind: str, *options: str) -> bytes:
    raw = ("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", "pipe:0")
    to = ("-f", "chromaprint", "-algorithm", "1", "-fp_format", kind, "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *raw, *options, *to]
    sound = np.ascontiguousarray(samples.T).tobytes()
    return subprocess.run(command, check=True, capture_output=True, input=sound).stdout


def fingerprint_items(samples: Samples, *options: str) -> Items:
    return np.frombuffer(chromaprint(samples, "raw", *options), dtype="<u4").astype(np.uint32)


@pytest.mark.parametrize("sound", [music, noise, tone, silence])
@pytest.mark.parametrize("seconds", [2.0, 3.0, 20.0])
def test_it_is_what_chromaprint_writes(sound: Callable[[float], Samples], seconds: float) -> None:
    samples = sound(seconds)
    assert encode_fingerprint(fingerprint_items(samples)) == chromaprint(samples, "base64").decode().strip()


@pytest.mark.thorough
def test_the_fingerprint_of_the_first_two_minutes_is_the_beginning_of_that_of_the_whole_song() -> None:
    samples = music(130.0)
    items = fingerprint_items(samples)
    assert len(items) > MAX_ITEMS == len(fingerprint_items(samples, "-t", "120"))
    assert encode_fingerprint(items[:MAX_ITEMS]) == chromaprint(samples, "base64", "-t", "120").decode().strip()


@pytest.mark.parametrize(
    "items",
    [
        np.array([], dtype=np.uint32),
        np.array([0x80000000, 0x80000000, 0, 0xFFFFFFFF, 0x40, 0x00800001], dtype=np.uint32),
        np.random.default_rng(2).integers(0, 2**32, 1000, dtype=np.uint32),
    ],
)
def test_any_items_can_be_read_again(items: Items) -> None:
    assert decoded(encode_fingerprint(items)) == items.tolist()


def test_too_many_items_are_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_fingerprint(np.broadcast_to(np.uint32(0), (1 << 24,)))


def decoded(text: str) -> list[int]:
    """A decoder written from the description, for valid data only."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert data[0] == 1
    bits = np.unpackbits(np.frombuffer(data[4:], dtype=np.uint8), bitorder="little").tolist()
    count, at = int.from_bytes(data[1:4], "big"), 0
    sets: list[list[int]] = [[]]
    while len(sets) <= count:
        distance = number(bits[at : at + 3])
        at += 3
        if distance:
            sets[-1].append(distance)
        else:
            sets.append([])
    at += -at % 8
    items, before = [], 0
    for distances in sets[:count]:
        bit = 0
        for distance in distances:
            if distance == 7:
                distance += number(bits[at : at + 5])
                at += 5
            bit += distance
            before ^= 1 << (bit - 1)
        items.append(before)
    return items


def number(bits: list[int]) -> int:
    return sum(bit << place for place, bit in enumerate(bits))
