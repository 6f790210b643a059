"""Files from the store over HTTP: ranges, conditions, names that people can read."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from flask import current_app, redirect, request
from werkzeug.http import parse_if_range_header, quote_etag
from werkzeug.wrappers import Response

from demixer.domain.errors import NotFound
from demixer.domain.formats import STEM_FORMATS
from demixer.wiring import Services
from web.http.context import services

MEDIA_TYPES = {
    **{each.extension: each.media_type for each in STEM_FORMATS.values()},
    "json": "application/json",
    "jpg": "image/jpeg",
    "zip": "application/zip",
}
UNNAMED = "song"  # as `demixer.services.songs.file_name` has it
LAST_ZERO_BYTES = re.compile(r"\s*bytes\s*=\s*-0+\s*")  # not satisfiable (RFC 9110, section 14.1.2)
REVALIDATE = "public, no-cache"  # caches ask again with the ETag: a better separation can replace the file


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the store, and how it is sent. `name`: of a download, "" for what nobody downloads.

    `missing`: the error code where the store does not have it.
    """

    key: str  # what lies under a key never changes, so it makes the ETag too
    extension: str
    name: str = ""
    attachment: bool = False
    missing: str = "not-found"


def send(file: StoredFile) -> Response:
    """The file, or the one range of it that was asked for (RFC 9110, section 14). Raises `NotFound`.

    Several ranges at once are answered with the whole file, as the RFC allows. A download comes from the store itself
    where that has an address for browsers; what a page plays and draws comes from us, as its security policy wants.
    """
    size = services().files.size(file.key)
    if size is None:
        raise NotFound(file.missing)
    response = _response_for(file)
    if file.attachment and request.method == "GET" and (address := _signed_url(file)):
        return _redirect_to_store(address)
    if request.if_none_match.contains(response.get_etag()[0] or ""):
        response.status_code = 304
        return response
    start, end, status = _requested_range(size, response.get_etag()[0] or "")
    response.status_code = status
    if status != 200:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}" if status == 206 else f"bytes */{size}"
    response.content_length = end - start
    if request.method != "HEAD" and end > start:
        response.response = _blocks(services(), file.key, start, end)
    return response


def disposition(name: str, *, attachment: bool) -> str:
    """`Content-Disposition` with a name in plain letters for old clients and the real one beside it (RFC 6266)."""
    kind = "attachment" if attachment else "inline"
    plain = _ascii_name(name)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _ascii_name(name: str) -> str:
    """`Artist - Title (vocals).mp3` in ASCII, or `song (vocals).mp3` where less than half the letters would be left."""
    title, bracket, ending = name.rpartition(" (") if " (" in name else (name, "", "")
    plain = _ascii(title).strip(" -.")
    if not plain or 2 * _letters(plain) < _letters(title):
        plain = UNNAMED
    return plain + bracket + _ascii(ending)


def _ascii(text: str) -> str:
    kept = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return kept.replace("\\", "_").replace('"', "_")


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _signed_url(file: StoredFile) -> str | None:
    named = disposition(file.name, attachment=True)
    return services().files.links.signed_url(file.key, media_type=MEDIA_TYPES[file.extension], disposition=named)


def _redirect_to_store(address: str) -> Response:
    """The address works for an hour and differs each time, so it must not be cached."""
    response = redirect(address, 302)
    response.headers["Cache-Control"] = "no-store"
    return response


def _response_for(file: StoredFile) -> Response:
    response = current_app.response_class(mimetype=MEDIA_TYPES[file.extension])
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = REVALIDATE
    response.headers["ETag"] = quote_etag(file.key.replace("/", "."))
    if file.name:
        response.headers["Content-Disposition"] = disposition(file.name, attachment=file.attachment)
    return response


def _requested_range(size: int, etag: str) -> tuple[int, int, int]:
    """First byte, byte after the last, and the status: 200, 206 or 416."""
    applies = _range_applies(etag)
    if applies and LAST_ZERO_BYTES.fullmatch(request.headers.get("Range", "")):
        return 0, 0, 416
    asked = request.range if applies else None
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return 0, size, 200
    start, end = asked.ranges[0]
    if start < 0:  # the last so many bytes
        start, end = max(0, size + start), size
    return (start, min(end or size, size), 206) if start < size else (0, 0, 416)


def _range_applies(etag: str) -> bool:
    """`If-Range`: a range of another version does not fit what the client has. No dates are sent, so none matches."""
    condition = parse_if_range_header(request.headers.get("If-Range"))
    return condition.date is None and condition.etag in (None, etag)


def _blocks(opened: Services, key: str, start: int, end: int) -> Iterator[bytes]:
    yield from opened.files.read(key, start, end)
