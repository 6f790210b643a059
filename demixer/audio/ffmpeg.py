"""Command lines of ffmpeg, and what it may read. `demixer.audio.sandbox` runs them.

A file that a person sent comes as standard input, and of all protocols only `fd` is allowed for reading. So neither its
name nor anything inside it (a playlist, an external track, a URL) makes ffmpeg open another file or the network.
Demuxers and decoders come from an allow-list, which has no video decoder.
"""

from functools import cache

import imageio_ffmpeg

from demixer.domain.formats import UPLOAD_FORMATS

DEMUXERS = ",".join(dict.fromkeys(demuxer for each in UPLOAD_FORMATS for demuxer in each.demuxers))
DECODERS = ",".join(
    (
        "mp1float,mp1,mp2float,mp2,mp3float,mp3,flac,alac,aac,aac_latm,vorbis,libvorbis,opus,libopus",
        "wmav1,wmav2,wmapro,wmalossless,wmavoice,ac3,eac3,dca,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,pcm_alaw,pcm_mulaw",
        "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be",
    )
)
_UNTRUSTED = (
    *("-protocol_whitelist", "fd", "-format_whitelist", DEMUXERS, "-codec_whitelist", DECODERS),
    *("-max_streams", "64", "-i", "fd:"),
)


@cache
def binary() -> str:
    """The path of the ffmpeg that `imageio-ffmpeg` installs: with libmp3lame and Chromaprint, without ffprobe."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def decoding(*output: str) -> list[str]:
    """The command that reads an untrusted file, the child's `source`, and writes `output`."""
    return [binary(), "-hide_banner", "-nostdin", "-nostats", *_UNTRUSTED, *output]


def encoding(*arguments: str) -> list[str]:
    """The command that encodes our own samples, fed through `pipe:0`, into files."""
    common = ("-hide_banner", "-nostats", "-loglevel", "error", "-y", "-protocol_whitelist", "pipe")
    return [binary(), *common, *arguments]
