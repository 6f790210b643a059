"""What kind of audio a file holds, read from what ffmpeg says about its input (there is no ffprobe)."""

import re
from dataclasses import dataclass
from pathlib import Path

from demixer.audio import ffmpeg, sandbox
from demixer.domain.errors import Refused

# Lines of ffmpeg's `dump_format`. Tags of the file are printed further indented, line breaks in them too, so a title
# cannot pass for one of these.
_INPUT = re.compile(r"^Input #0, (?P<names>[\w,]+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:\d+\S*: (?P<kind>Audio|Video): (?P<codec>\w+)(?P<rest>.*)$", re.MULTILINE)
_RATE = re.compile(r", (\d+) Hz, (?P<layout>[^,\n]+)")
_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "cube": 8}
# How the files we take begin, as (offset, bytes). ffmpeg does not say which demuxer gave up, and a damaged song
# deserves another answer than a PDF.
_BEGINNINGS = (
    *((0, b"ID3"), (0, b"fLaC"), (0, b"OggS"), (8, b"WAVE"), (0, b"riff\x2e\x91\xcf\x11"), (8, b"AIFF"), (8, b"AIFC")),
    *((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\x1a\x45\xdf\xa3")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    container: str  # ffmpeg's name, such as "mp3", "mov", "matroska"
    codec: str  # such as "mp3", "flac", "pcm_s16le"
    sample_rate: int  # Hz, 0 when the file does not say
    channels: int  # 0 when the file does not say
    duration_s: float | None  # what the header claims; only decoding tells the truth
    has_video: bool  # a real video stream: a cover picture does not count


def probe(path: Path) -> AudioInfo:
    """Look at the header only. Raises `Refused`: "not-audio", "no-sound", "damaged-audio", "took-too-long"."""
    outcome = sandbox.run(ffmpeg.decoding("-map", "0:a:0", "-frames:a", "0", "-f", "null", "-"), source=path)
    return parse(outcome.log, path)


def parse(log: str, path: Path) -> AudioInfo:
    """What ffmpeg said about its input, `path`. Raises `Refused` where that is nothing we could use."""
    head = _head(log, path)
    streams = list(_STREAM.finditer(head))
    audio = next((stream for stream in streams if stream["kind"] == "Audio"), None)
    video = any(stream["kind"] == "Video" and "(attached pic)" not in stream["rest"] for stream in streams)
    if audio is None:
        raise Refused("no-sound" if video else "not-audio")
    if f"Codec ({audio['codec']}) not on whitelist" in log:
        raise Refused("not-audio")
    rate = _RATE.search(audio["rest"])
    return AudioInfo(
        container=_container(head),
        codec=audio["codec"],
        sample_rate=int(rate[1]) if rate else 0,
        channels=_channels(rate["layout"]) if rate else 0,
        duration_s=_duration(head),
        has_video=video,
    )


def _head(log: str, path: Path) -> str:
    """The part about the input; `Refused` when ffmpeg could not open it."""
    start = _INPUT.search(log)
    if not start:
        raise Refused("damaged-audio" if _begins_like_audio(path) else "not-audio")
    end = log.find("\nOutput #0", start.start())
    return log[start.start() : end if end >= 0 else None]


def _begins_like_audio(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
    return any(start[at:].startswith(magic) for at, magic in _BEGINNINGS)


def _container(head: str) -> str:
    found = _INPUT.search(head)
    return found["names"].split(",")[0] if found else ""


def _duration(head: str) -> float | None:
    found = _DURATION.search(head)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _channels(layout: str) -> int:
    """`stereo`, `5.1(side)`, `3 channels`: ffmpeg's names for channel layouts as a number."""
    name = layout.split("(")[0].strip()
    if name in _LAYOUTS:
        return _LAYOUTS[name]
    counted = re.match(r"(\d+) channels", name)
    return int(counted[1]) if counted else sum(int(digit) for digit in re.findall(r"\d+", name))
