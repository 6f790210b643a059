"""What is made of stems on demand: other formats from the FLAC, and a zip of all stems."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flask import current_app
from werkzeug.wrappers import Response
from zipstream.ng import ZipStream

from demixer.audio import encode
from demixer.domain.errors import NotFound
from demixer.domain.formats import STEM_FORMATS
from demixer.runtime import tempdirs
from demixer.services import songs
from demixer.services.songs import SongView, StemFile
from demixer.services.storage import store_file
from demixer.wiring import Services
from web.http.files import MEDIA_TYPES, disposition


def stem_file(services: Services, song_id: str, stem: str, extension: str) -> StemFile:
    """The file of a stem. One on demand that is not in the store is made first. Raises `NotFound("no-such-stem")`."""
    if not STEM_FORMATS[extension].on_demand:
        return services.songs.stem_file(song_id, stem, extension)
    source = services.songs.stem_file(song_id, stem, "flac")
    key = f"exports/{source.separation.id}/{stem}.{extension}"
    if services.files.size(key) is None:
        _convert(services, source.key, key)
    return StemFile(key=key, name=source.name.removesuffix("flac") + extension, separation=source.separation)


def zip_of_stems(services: Services, view: SongView, extension: str) -> Response:
    """All stems of a song as one zip without compression, streamed, with a `Content-Length`."""
    name = songs.file_name(view.song.tags)
    archive = ZipStream(sized=True)
    for stem in _stem_files(services, view, extension):
        size = services.files.size(stem.key)
        if size is None:
            raise NotFound("no-such-stem")
        archive.add(_blocks(services, stem.key), f"{name}/{stem.name}", size=size)
    response = current_app.response_class(archive, mimetype=MEDIA_TYPES["zip"])
    response.content_length = len(archive)
    response.headers["Content-Disposition"] = disposition(f"{name} ({extension}).zip", attachment=True)
    return response


def _stem_files(services: Services, view: SongView, extension: str) -> Sequence[StemFile]:
    if not view.stems:
        raise NotFound("no-such-stem")
    return [stem_file(services, view.song.id, stem.name, extension) for stem in view.stems]


def _blocks(services: Services, key: str) -> Iterator[bytes]:
    """A generator, so that a zip holds one file open at a time."""
    yield from services.files.read(key)


def _convert(services: Services, flac_key: str, key: str) -> None:
    with _one_at_a_time(services.settings.data_dir), tempdirs.folder() as folder:
        if services.files.size(key) is not None:
            return  # made by another request meanwhile
        converted = folder / Path(key).name
        with services.files.local(flac_key) as flac:
            encode.convert(flac, converted)
        store_file(services.files, key, converted)


@contextmanager
def _one_at_a_time(data_dir: Path) -> Iterator[None]:
    """Among all threads and processes of this machine: an export is quick, and many at once would slow everything."""
    with (data_dir / "exports.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
