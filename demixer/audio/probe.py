"""How a file is encoded, read from what ffmpeg says about its input (there is no ffprobe)."""

import re
from dataclasses import dataclass
from pathlib import Path

from demixer.audio import ffmpeg, sandbox
from demixer.domain import Encoding
from demixer.domain.errors import Refused

# Lines of ffmpeg's `dump_format`. It prints the tags of the file further indented, line breaks in them too, so a title
# cannot pass for one of these.
_INPUT = re.compile(r"^Input #0, (?P<names>[\w,]+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM = re.compile(r"^  Stream #0:\d+\S*: (?P<kind>Audio|Video): (?P<codec>\w+)(?P<rest>.*)$", re.MULTILINE)
_RATE = re.compile(r", (\d+) Hz, (?P<layout>[^,\n]+)")
_BIT_RATE = re.compile(r", (\d+) kb/s")
_FILE_BIT_RATE = re.compile(r"^  Duration: .*, bitrate: (\d+) kb/s", re.MULTILINE)
_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "cube": 8}
# Magic numbers of the files that are taken, as (offset, bytes). ffmpeg does not say which demuxer gave up, and a person
# with a damaged song is told something else than one with a PDF.
_MAGIC_NUMBERS = (
    *((0, b"ID3"), (0, b"fLaC"), (0, b"OggS"), (8, b"WAVE"), (0, b"riff\x2e\x91\xcf\x11"), (8, b"AIFF"), (8, b"AIFC")),
    *((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\x1a\x45\xdf\xa3")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInfo:
    container: str  # as ffmpeg names it, such as "mp3", "mov", "matroska"
    encoding: Encoding  # without a bandwidth
    claimed_duration: float | None  # seconds by the header; only decoding gives the true one
    has_video: bool  # a video stream; a cover picture is none


def probe(path: Path) -> AudioInfo:
    """Reads the header only. Raises `Refused`: "not-audio", "no-sound", "damaged-audio", "took-too-long"."""
    outcome = sandbox.run(ffmpeg.decoding("-map", "0:a:0", "-frames:a", "0", "-f", "null", "-"), source=path)
    return parse(outcome.log, path)


def parse(log: str, path: Path) -> AudioInfo:
    """From what ffmpeg said about its input, `path`. Raises `Refused` where there is no audio in it that we take."""
    head = _head(log, path)
    streams = list(_STREAM.finditer(head))
    audio = next((stream for stream in streams if stream["kind"] == "Audio"), None)
    has_video = any(stream["kind"] == "Video" and "(attached pic)" not in stream["rest"] for stream in streams)
    if audio is None:
        raise Refused("no-sound" if has_video else "not-audio")
    if f"Codec ({audio['codec']}) not on whitelist" in log:
        raise Refused("not-audio")
    rate = _RATE.search(audio["rest"])
    bit_rate = _BIT_RATE.search(audio["rest"]) or (None if has_video else _FILE_BIT_RATE.search(head))
    return AudioInfo(
        container=_container(head),
        encoding=Encoding(
            codec=audio["codec"],
            bit_rate=int(bit_rate[1]) * 1000 if bit_rate else 0,
            sample_rate=int(rate[1]) if rate else 0,
            channels=_channels(rate["layout"]) if rate else 0,
        ),
        claimed_duration=_duration(head),
        has_video=has_video,
    )


def _head(log: str, path: Path) -> str:
    """The part about the input. Raises `Refused` where ffmpeg could not open it."""
    start = _INPUT.search(log)
    if not start:
        raise Refused("damaged-audio" if _has_magic_number(path) else "not-audio")
    end = log.find("\nOutput #0", start.start())
    return log[start.start() : end if end >= 0 else None]


def _has_magic_number(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(16)
    return any(start[offset:].startswith(magic) for offset, magic in _MAGIC_NUMBERS)


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
