"""The files of a song: stems, waveforms, the zip, the cover. Public: every stem has its own address."""

from flask import request
from flask.typing import ResponseReturnValue

from demixer.domain.errors import NotFound
from demixer.domain.formats import STEM_FORMATS
from web.http import exports
from web.http.context import services
from web.http.files import StoredFile, send
from web.views.songs import blueprint


@blueprint.get(f"/stems/<stem>.<any({', '.join(STEM_FORMATS)}):extension>")
def stem(song_id: str, stem: str, extension: str) -> ResponseReturnValue:
    file = exports.stem_file(services(), song_id, stem, extension)
    download = request.args.get("download", "") not in ("", "0")
    return send(
        StoredFile(key=file.key, extension=extension, name=file.name, attachment=download, missing="no-such-stem")
    )


@blueprint.get("/stems/<stem>.json")
def peaks(song_id: str, stem: str) -> ResponseReturnValue:
    file = services().songs.stem_file(song_id, stem, "json")
    return send(StoredFile(key=file.key, extension="json", missing="no-such-stem"))


@blueprint.get("/stems.zip", endpoint="zip")
def archive(song_id: str) -> ResponseReturnValue:
    extension = request.args.get("format", "flac")
    if extension not in STEM_FORMATS:
        raise NotFound("no-such-stem")
    return exports.zip_of_stems(services(), services().songs.view(song_id, None, as_merged=True), extension)


@blueprint.get("/cover.jpg")
def cover(song_id: str) -> ResponseReturnValue:
    return send(StoredFile(key=services().songs.cover_file(song_id), extension="jpg"))
