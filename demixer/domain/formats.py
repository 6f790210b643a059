"""The audio formats: those that stems come in, and those that people send.

These are the only tables of them. `tests/unit/test_tables.py` compares them with the texts and scripts that name one.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StemFormat:
    extension: str
    label: str
    media_type: str
    codec: str  # ffmpeg's name of the encoder
    bit_rate: int | None = None  # bit/s where it is constant
    on_demand: bool = False  # made from the FLAC when somebody asks for it, not at separation


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFormat:
    label: str
    extensions: tuple[str, ...]
    demuxers: tuple[str, ...]  # ffmpeg's names; no others may open a person's file
    media_type: str = ""  # for file pickers, where `audio/*` does not cover it


STEM_FORMATS: Mapping[str, StemFormat] = {  # by extension, in the order in which they are offered
    each.extension: each
    for each in (
        StemFormat(extension="flac", label="FLAC", media_type="audio/flac", codec="flac"),
        StemFormat(extension="mp3", label="MP3", media_type="audio/mpeg", codec="libmp3lame", bit_rate=192_000),
        StemFormat(extension="wav", label="WAV", media_type="audio/wav", codec="pcm_s24le", on_demand=True),
    )
}
STORED_FORMATS = tuple(each.extension for each in STEM_FORMATS.values() if not each.on_demand)

UPLOAD_FORMATS = (
    UploadFormat(label="MP3", extensions=("mp3",), demuxers=("mp3",)),
    UploadFormat(label="FLAC", extensions=("flac",), demuxers=("flac",)),
    UploadFormat(label="WAV", extensions=("wav",), demuxers=("wav", "w64")),
    UploadFormat(label="AIFF", extensions=("aif", "aiff"), demuxers=("aiff",)),
    UploadFormat(label="Ogg", extensions=("ogg",), demuxers=("ogg",)),
    UploadFormat(label="Opus", extensions=("opus",), demuxers=("ogg",)),
    UploadFormat(label="M4A", extensions=("m4a", "aac"), demuxers=("mov", "m4a", "aac")),
    UploadFormat(label="WMA", extensions=("wma",), demuxers=("asf",)),
    UploadFormat(label="WebM", extensions=("webm",), demuxers=("matroska", "webm"), media_type="video/webm"),
    UploadFormat(label="MP4", extensions=("mp4",), demuxers=("mov", "mp4"), media_type="video/mp4"),
    UploadFormat(label="MKV", extensions=("mkv",), demuxers=("matroska",), media_type="video/x-matroska"),
)


def accepted_uploads() -> str:
    """What a file picker offers, as the `accept` attribute of HTML has it."""
    media_types = [each.media_type for each in UPLOAD_FORMATS if each.media_type]
    extensions = [f".{extension}" for each in UPLOAD_FORMATS for extension in each.extensions]
    return ",".join(["audio/*", *media_types, *extensions])
