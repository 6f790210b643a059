"""The child process that reads tags: `python -m demixer.audio.tag_reader < song`, started by `demixer.audio.tags`.

mutagen parses untrusted bytes. In a process of its own, with limits, it may hang, use up memory or crash. It writes one
line of JSON (raw texts), then the cover as a clean JPEG. No output means no tags.
"""

import base64
import json
import struct
import sys
from collections.abc import Iterator
from typing import Any

import mutagen
import mutagen.flac

from demixer.audio.cover import clean_cover

# The names of one thing in ID3, Vorbis comments, MP4 and ASF, the most specific first.
_FIELDS = {
    "artist": ("TPE1", "artist", "\xa9ART", "Author", "TPE2", "albumartist", "aART", "WM/AlbumArtist"),
    "album": ("TALB", "album", "\xa9alb", "WM/AlbumTitle"),
    "title": ("TIT2", "title", "\xa9nam", "Title"),
    "year": ("TDRC", "TDOR", "TYER", "date", "year", "originaldate", "\xa9day", "WM/Year"),
}
_Picture: Any = mutagen.flac.Picture
_MAX_LENGTH = 2_000  # characters that are passed on; the parent process cleans, then cuts


def main() -> None:
    file = mutagen.File(sys.stdin.buffer)
    tags = getattr(file, "tags", None)
    texts = {field: _text(tags, names) for field, names in _FIELDS.items()} if tags is not None else {}
    sys.stdout.buffer.write(json.dumps(texts).encode() + b"\n")
    sys.stdout.buffer.flush()  # a damaged picture must not cost the texts
    sys.stdout.buffer.write(next(filter(None, map(clean_cover, _pictures(file, tags))), b""))


def _text(tags: Any, names: tuple[str, ...]) -> str:
    return next(filter(None, (_first(tags, name) for name in names)), "")


def _first(tags: Any, name: str) -> str:
    """The first text under `name`, however this kind of tags stores it; `""` without one."""
    try:
        value = tags.get(name)
    except (KeyError, ValueError):  # Vorbis comments refuse names with non-ASCII letters
        return ""
    values = getattr(value, "text", value)
    first = next(iter(values), "") if isinstance(values, list | tuple) else values
    return "" if first is None else str(getattr(first, "value", first))[:_MAX_LENGTH]


def _pictures(file: Any, tags: Any) -> Iterator[bytes]:
    """Front covers and whatever else there is, in the order of the file."""
    for picture in getattr(file, "pictures", None) or ():
        yield picture.data
    if tags is None:
        return
    if hasattr(tags, "getall"):
        for frame in tags.getall("APIC"):
            yield frame.data
        return
    yield from map(bytes, _listed(tags, "covr"))
    for text in _listed(tags, "metadata_block_picture"):
        yield _Picture(base64.b64decode(text)).data
    for attribute in _listed(tags, "WM/Picture"):
        yield _asf_picture(attribute.value)


def _listed(tags: Any, name: str) -> list[Any]:
    return list(tags.get(name) or ())


def _asf_picture(data: bytes) -> bytes:
    """WM_PICTURE: kind (1 byte), length (4), then type and description as UTF-16 with a zero each, then the picture."""
    (length,) = struct.unpack_from("<xI", data)
    return data[-length:] if 0 < length < len(data) else b""


if __name__ == "__main__":
    main()
