"""Every transform of a song: what is done to its samples, how they are encoded, and which verdict is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.matching.effects import (
    Effect,
    first_half_minute,
    noisy,
    unchanged,
    variant,
    with_insertion,
    with_intro,
    with_louder,
    with_melody,
    with_other,
    without,
    without_centre,
    without_middle,
)

Step = tuple[str, ...]  # a suffix, and options of ffmpeg


class Group(StrEnum):
    KEPT = "keeps recording and mix"
    CHAIN = "chains of those"
    PROCESSED = "processed further"  # nothing is required
    MIX = "another mix"
    EDIT = "another edit"
    OTHER = "another recording"


@dataclass(frozen=True, slots=True)
class Transform:
    name: str
    group: Group
    effect: Effect
    steps: tuple[Step, ...] = (("wav",),)
    lag: float = 0.0  # seconds into the file at which the song begins


def _filtered(filter_: str) -> tuple[Step, ...]:
    return (("wav", "-af", filter_, "-ar", "44100"),)


MP3 = ("mp3", "-b:a", "128k")
MP3_32 = ("mp3", "-b:a", "32k")
OPUS_32 = ("opus", "-c:a", "libopus", "-b:a", "32k")
AAC_96 = ("m4a", "-c:a", "aac", "-b:a", "96k")
WMA_64 = ("wma", "-c:a", "wmav2", "-b:a", "64k")
OGG = ("ogg", "-c:a", "libvorbis", "-q:a", "1")

_CODECS: Mapping[str, Step] = {
    "wav": ("wav",),
    "flac": ("flac",),
    "mp3 320": ("mp3", "-b:a", "320k"),
    "mp3 128": MP3,
    "mp3 64": ("mp3", "-b:a", "64k"),
    "mp3 32": MP3_32,
    "ogg q1": OGG,
    "aac 96": AAC_96,
    "aac 32": ("m4a", "-c:a", "aac", "-b:a", "32k"),
    "aac 32 mono": ("m4a", "-c:a", "aac", "-b:a", "32k", "-ac", "1", "-ar", "22050"),
    "opus 48": ("opus", "-c:a", "libopus", "-b:a", "48k"),
    "opus 32": OPUS_32,
    "wma 64": WMA_64,
    "wma 32 mono": ("wma", "-c:a", "wmav2", "-b:a", "32k", "-ac", "1", "-ar", "22050"),
    "mono": ("wav", "-ac", "1"),
    "22,050 Hz": ("wav", "-ar", "22050"),
    "8,000 Hz": ("wav", "-ar", "8000"),
}
_FILTERS: Mapping[str, tuple[str, float]] = {
    "-6 dB": ("volume=-6dB", 0.0),
    "-30 dB": ("volume=-30dB", 0.0),
    "+6 dB, clipped": ("volume=6dB", 0.0),
    "+12 dB, clipped": ("volume=12dB", 0.0),
    "loudness normalised": ("loudnorm", 0.0),
    "1 s of silence before": ("adelay=1000:all=1", 1.0),
    "5 s of silence before": ("adelay=5000:all=1", 5.0),
    "20 s of silence before": ("adelay=20000:all=1", 20.0),
    "half a hop cut": ("atrim=start=0.0619", -0.0619),
    "1 s cut": ("atrim=start=1", -1.0),
    "3 s cut": ("atrim=start=3", -3.0),
    "10 s cut": ("atrim=start=10", -10.0),
}
WMA_CUT = 2048 / 44_100  # seconds at the beginning that ffmpeg's decoder leaves out
_CHAINS: Mapping[str, tuple[tuple[Step, ...], float]] = {
    "mp3 128, opus 32": ((MP3, OPUS_32), 0.0),
    "2.06 s cut, mp3 64, opus 32": ((("mp3", "-af", "atrim=start=2.06", "-b:a", "64k"), OPUS_32), -2.06),
    "-6 dB, aac 96, 1 s of silence": (
        (("m4a", "-af", "volume=-6dB", *AAC_96[1:]), ("wav", "-af", "adelay=1000:all=1")),
        1.0,
    ),
    "ogg q1, wma 64": ((OGG, WMA_64), -WMA_CUT),
    "mp3 128, ogg q1, opus 32": ((MP3, OGG, OPUS_32), 0.0),
}
_PROCESSED: Mapping[str, tuple[Step, ...]] = {
    "opus 24": (("opus", "-c:a", "libopus", "-b:a", "24k"),),
    "only below 4 kHz": _filtered("lowpass=f=4000"),
    "treble - 12 dB": _filtered("treble=g=-12"),
    "bass + 10 dB": _filtered("volume=-10dB,bass=g=10"),
    "compressed": _filtered("acompressor=threshold=-20dB:ratio=4:attack=10:release=200:makeup=2"),
    "left and right swapped": _filtered("pan=stereo|c0=c1|c1=c0"),
    "faded in over 5 s": _filtered("afade=t=in:d=5"),
    "+20 dB, clipped": _filtered("volume=20dB"),
}
_FASTER: Mapping[str, str] = {
    "speed + 1 %": "asetrate=44541,aresample=44100",
    "speed + 2 %": "asetrate=44982,aresample=44100",
    "speed + 5 %": "asetrate=46305,aresample=44100",
    "tempo + 1 %": "atempo=1.01",
    "tempo + 2 %": "atempo=1.02",
    "tempo + 5 %": "atempo=1.05",
    "a semitone up": "asetrate=46722,aresample=44100,atempo=0.943874",
}


def _lag(codec: str) -> float:
    return -WMA_CUT if codec.startswith("wma") else 0.0


ADDED = (
    Transform("another song at -12 dB, wav", Group.MIX, with_other(-12)),
    Transform("another song at -12 dB, mp3 128", Group.MIX, with_other(-12), (MP3,)),
    Transform("another song at -6 dB, mp3 128", Group.MIX, with_other(-6), (MP3,)),
    Transform("a melody at -12 dB, mp3 128", Group.MIX, with_melody(-12), (MP3,)),
)
KEPT = (
    *(Transform(name, Group.KEPT, unchanged, (step,), _lag(name)) for name, step in _CODECS.items()),
    *(Transform(name, Group.KEPT, unchanged, _filtered(one), lag) for name, (one, lag) in _FILTERS.items()),
    Transform("noise at -20 dB", Group.KEPT, noisy(-20)),
)
OF_TRACKS = (
    *KEPT,
    *(Transform(name, Group.CHAIN, unchanged, steps, lag) for name, (steps, lag) in _CHAINS.items()),
    *(Transform(name, Group.PROCESSED, unchanged, steps) for name, steps in _PROCESSED.items()),
    Transform("noise at -10 dB", Group.PROCESSED, noisy(-10)),
    *ADDED,
    Transform("20 s cut out", Group.EDIT, without_middle, (MP3,)),
    Transform("5 s put in", Group.EDIT, with_insertion, (MP3,)),
    Transform("40 s of another song before", Group.EDIT, with_intro, (MP3,)),
    Transform("its first 32 s", Group.EDIT, first_half_minute, (MP3,)),
    *(Transform(name, Group.OTHER, unchanged, _filtered(one)) for name, one in _FASTER.items()),
    Transform("left minus right", Group.OTHER, without_centre),
)


def _rendered(name: str, group: Group, effect: Effect, *more: Step) -> tuple[Transform, ...]:
    steps = (("wav",), MP3, *more)
    endings = ("wav", "mp3 128", "mp3 32")
    return tuple(
        Transform(f"{name}, {end}", group, effect, (step,))
        for end, step in zip(endings[: len(steps)], steps, strict=True)
    )


_VARIANTS = (
    "other sound font",
    "other instruments",
    "live, tempo sways by 1.5 %",
    "live, same tempo",
    "a semitone up",
    "tempo + 1 %",
    "tempo + 3 %",
)
OF_MIDI = (
    *(
        transform
        for transform in KEPT
        if transform.name in ("wav", "mp3 128", "mp3 32", "opus 32", "aac 32", "ogg q1", "wma 64")
    ),
    *(
        transform
        for transform in KEPT
        if transform.name in ("+12 dB, clipped", "noise at -20 dB", "half a hop cut", "8,000 Hz")
    ),
    *_rendered("without the melody", Group.MIX, without("vocals"), MP3_32),
    *_rendered("without drums", Group.MIX, without("drums")),
    *_rendered("without bass", Group.MIX, without("bass")),
    *_rendered("melody + 3.5 dB", Group.MIX, with_louder("vocals", 3.5)),
    *_rendered("other parts + 3.5 dB", Group.MIX, with_louder("other", 3.5)),
    *ADDED,
    *(transform for name in _VARIANTS for transform in _rendered(name, Group.OTHER, variant(name))),
)


def transforms_of(is_rendered: bool) -> tuple[Transform, ...]:
    return OF_MIDI if is_rendered else OF_TRACKS


BY_NAME = {transform.name: transform for transform in (*OF_MIDI, *OF_TRACKS)}
