"""What people type into forms, made safe and shaped for the use cases."""

import unicodedata
from urllib.parse import urlsplit

from flask import request, url_for

from demixer.domain import Tags, require
from demixer.domain.errors import Refused
from demixer.services.songs import TEXT_LENGTH

TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # Unicode's embeddings, overrides, isolates
NAME_LENGTH = 255  # characters of a file name that are kept


def text(name: str) -> str:
    """The field `name`: control characters gone, no space around."""
    return _plain(request.form.get(name, "")).strip()


def tags() -> Tags:
    """The optional tags beside a file. Raises `Refused("text-long")`."""
    typed = Tags(artist=text("artist"), album=text("album"), title=text("title"))
    for value in (typed.artist, typed.album, typed.title):
        require(len(value) <= TEXT_LENGTH, "text-long", length=TEXT_LENGTH)
    return typed


def year(typed: str) -> int | None:
    """Raises `Refused("bad-year")`."""
    if not typed:
        return None
    if not (typed.isdecimal() and len(typed) == 4):
        raise Refused("bad-year")
    return int(typed)


def file_name(sent: str) -> str:
    """What a browser calls the file, fit to be shown: the last part of a path, no control characters, not endless.

    Marks that turn the direction of what follows go too: `nice\u202e3pm.exe` would read as `niceexe.mp3`.
    """
    last = sent.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _plain(last).translate(TURNING).strip()[:NAME_LENGTH]


def safe_next(default: str | None = None) -> str:
    """Where to go after a form: `next` if it is a path of this site, else `default`, else home."""
    asked = request.values.get("next", "")
    return asked if _is_local_path(asked) else url_for("pages.home") if default is None else default


def back(default: str) -> str:
    """The page of this site that the form was on, or `default`."""
    came_from = urlsplit(request.referrer or "")
    path = came_from.path + (f"?{came_from.query}" if came_from.query else "")
    return path if came_from.netloc == request.host and _is_local_path(path) else default


def _is_local_path(path: str) -> bool:
    """Browsers read `//host`, `/\\host` and paths with control characters as other sites."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and _plain(path) == path and "\\" not in path


def _plain(value: str) -> str:
    """Without control characters and lone surrogates; letters that join or turn direction stay, names need them."""
    return "".join(char for char in value if unicodedata.category(char) not in ("Cc", "Cs"))
