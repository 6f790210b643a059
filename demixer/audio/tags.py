"""The tags and the cover of a file; where a title is missing, its name."""

import json
import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demixer.audio import ffmpeg, sandbox
from demixer.audio.cover import clean_cover as clean_cover
from demixer.domain import Tags
from demixer.domain.errors import DemixerError

MAX_LENGTH = 300  # characters of a text

_LIMITS = sandbox.Limits(wait=15.0, cpu=10, data=768)
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?=$|\D|\d{4}(?!\d))")
# "01 - ", "1-03 ", "07) ", "02 Song" (but not "99 Luftballons" or "1999 - ...").
_TRACK_NUMBER = re.compile(
    r"^\s*(?:(?:\d{1,2}[-.])?\d{1,3}\s*(?:[.)]|\s-)\s+|\d{1,2}-\d\d\s+|0\d\s+|\d{2}[-.]\s?(?=\D))"
)
_FFMPEG_NAMES = {"artist": "artist", "album": "album", "title": "title", "year": "date"}
_EMBEDDING = {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}  # would reverse the direction of the page


@dataclass(frozen=True, slots=True)
class FileTags:
    tags: Tags
    cover: bytes | None  # JPEG, at most 600 x 600


def read(path: Path, filename: str) -> FileTags:
    """Never fails: a file whose tags cannot be read has none. `filename` is what the person's device called it.

    A missing title comes from the file name, and the artist with it where the tags name none ("Artist - Title.mp3").
    """
    texts, cover = _from_mutagen(path)
    if not any(texts.values()):
        texts = _from_ffmpeg(path)
    clean = {field: clean_text(text) for field, text in texts.items()}
    tags = Tags(
        artist=clean.get("artist", ""),
        album=clean.get("album", ""),
        title=clean.get("title", ""),
        year=year_of(clean.get("year", "")),
    )
    return FileTags(with_file_name(tags, filename), cover)


def with_file_name(tags: Tags, filename: str) -> Tags:
    """`tags`, with what the file name tells where they have no title."""
    return tags if tags.title else tags.over(from_filename(filename))


def clean_text(text: str) -> str:
    """One line without control characters, at most `MAX_LENGTH` long; wrong encodings repaired where that is sure."""
    repaired = unicodedata.normalize("NFC", _repaired(text))
    visible = "".join(" " if char.isspace() else char for char in repaired if char.isspace() or _visible(char))
    return re.sub(" +", " ", visible).strip()[:MAX_LENGTH].strip()


def year_of(text: str) -> int | None:
    """The first year in "2004", "2004-05-01", "20040501", "1 May 2004"; None without one from 1000 to 2999."""
    found = _YEAR.search(text)
    return int(found[1]) if found else None


def from_filename(filename: str) -> Tags:
    """Artist and title from a name such as "01 - Artist - Title.mp3"."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    stem = re.sub(r"\.\w{2,5}$", "", name).replace("_", " ")
    text = clean_text(_TRACK_NUMBER.sub("", stem, count=1)) or clean_text(stem)
    artist, dash, title = text.partition(" - ")
    if not (dash and artist.strip() and title.strip()):
        return Tags(title=text)
    return Tags(artist=artist.strip(), title=_TRACK_NUMBER.sub("", title, count=1).strip() or title.strip())


def _from_mutagen(path: Path) -> tuple[dict[str, str], bytes | None]:
    command = [sys.executable, "-I", "-m", "demixer.audio.tag_reader"]
    try:
        with sandbox.Child(command, source=path, limits=_LIMITS) as child:
            line, _, cover = b"".join(child.blocks()).partition(b"\n")
            child.finish()
        return dict(json.loads(line or b"{}")), cover or None
    except (DemixerError, ValueError):
        return {}, None


def _from_ffmpeg(path: Path) -> dict[str, str]:
    """The same for what mutagen does not read: Matroska, WebM, and the INFO chunk of WAV."""
    command = ffmpeg.decoding("-map", "0:a:0", "-c", "copy", "-t", "0", "-f", "ffmetadata", "pipe:1")
    try:
        with sandbox.Child(command, source=path, limits=_LIMITS) as child:
            text = b"".join(child.blocks()).decode(errors="replace")
            child.finish()
    except DemixerError:
        return {}
    pairs = (line.partition("=") for line in text.partition("\n[")[0].splitlines())
    found = {name.lower(): re.sub(r"\\(.)", r"\1", value) for name, _, value in pairs}
    return {field: found.get(name, "") for field, name in _FFMPEG_NAMES.items()}


def _repaired(text: str) -> str:
    """Undo UTF-8 or UTF-16 that was read as Latin-1, and UTF-16 that was read the wrong way round."""
    if text and all(ord(char) >= 0x100 and ord(char) & 0xFF == 0 for char in text):
        return "".join(chr(ord(char) >> 8) for char in text)
    for latin in ("latin-1", "cp1252"):
        try:
            return _decoded(text.encode(latin))
        except UnicodeError:
            continue
    return text


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data[: len(data) // 2 * 2].decode("utf-16")
    return data.decode("utf-8")


def _visible(char: str) -> bool:
    """Joiners and direction marks are kept: emoji and right-to-left names need them."""
    return unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn") and char not in _EMBEDDING
