"""A person's uploads: send, watch, cancel, try again, delete."""

from collections.abc import Sequence

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from werkzeug.datastructures import FileStorage

from demixer.domain import Tags, Upload, require
from demixer.domain.errors import Refused
from demixer.services.uploads import UploadView
from web.http import instrumentation
from web.http.context import authenticated, services, signed_in, wants_json
from web.http.request_policy import FORM_BYTES, request_policy
from web.http.return_paths import previous_path
from web.http.streaming_uploads import FILES_AT_ONCE, UploadStream
from web.presentation.forms import sent_tags
from web.presentation.labels import translated
from web.presentation.paging import page_of
from web.presentation.text import file_name

blueprint = Blueprint("uploads", __name__, url_prefix="/uploads")
ROWS = 20  # of the polling fall-back


def max_body() -> int:
    """Bytes. The page's script sends one file a request and asks for JSON; a plain form sends several."""
    return services().settings.max_upload_bytes * (1 if wants_json() else FILES_AT_ONCE) + FORM_BYTES


@blueprint.get("")
def index() -> ResponseReturnValue:
    visitor = signed_in()
    page = page_of(lambda limit, offset: services().uploads.views_of_person(visitor.id, limit=limit, offset=offset))
    return render_template("uploads.html", views=page.items, page=page)


@blueprint.post("")
@request_policy(authenticate=signed_in, max_body=max_body, streams_files=True)
def send() -> ResponseReturnValue:
    """Every file of the form that can be received is; the others are named with the reason, unless all are refused."""
    person_id, tags = authenticated().id, sent_tags()
    received, refused = list[Upload](), list[tuple[str, Refused]]()
    for part in _parts():
        try:
            received.append(_receive(person_id, part, tags))
        except Refused as error:
            refused.append((_name(part), error))
    if not received:
        raise refused[0][1]
    reasons = [{"filename": name, "detail": translated(error.code, error.params)} for name, error in refused]
    if wants_json():
        sent = [_answer(view) for view in services().uploads.views(received)]
        location = url_for(".row", upload_id=received[0].id)
        return {**sent[0], "uploads": sent, "refused": reasons}, 201, {"Location": location}
    flash(ngettext("%(num)s file received.", "%(num)s files received.", len(received)), "ok")
    for reason in reasons:
        flash(f"{reason['filename']}: {reason['detail']}", "error")
    return redirect(url_for(".index"), 303)


@blueprint.get("/rows")
def rows() -> ResponseReturnValue:
    views = services().uploads.views_of_person(signed_in().id, limit=ROWS)
    return render_template("_upload_rows.html", views=views)


@blueprint.get("/<upload_id>/row")
def row(upload_id: str) -> ResponseReturnValue:
    return render_row(_owned_view(upload_id))


@blueprint.post("/<upload_id>/cancel")
@request_policy()
def cancel(upload_id: str) -> ResponseReturnValue:
    services().uploads.cancel(signed_in().id, upload_id)
    return _changed(gettext("Cancelled."), render_row(_owned_view(upload_id)))


@blueprint.post("/<upload_id>/retry")
@request_policy()
def retry(upload_id: str) -> ResponseReturnValue:
    services().uploads.retry(signed_in().id, upload_id, services().capabilities.model_for_new_songs())
    return _changed(gettext("Trying again."), render_row(_owned_view(upload_id)))


@blueprint.post("/<upload_id>/delete")
@request_policy()
def delete(upload_id: str) -> ResponseReturnValue:
    services().uploads.delete(signed_in().id, upload_id)
    return _changed(gettext("Deleted."), "")


def receive_one(person_id: str) -> Upload:
    """The one file of the form. Raises `Refused`, and keeps nothing then."""
    parts = _parts()
    require(len(parts) == 1, "one-file")
    return _receive(person_id, parts[0], sent_tags())


def render_row(view: UploadView) -> str:
    return render_template("_upload_row.html", view=view)


def _parts() -> Sequence[FileStorage]:
    """The files of the form. Raises `Refused("no-file")`."""
    parts = [part for part in request.files.getlist("file") if part.filename or _stream(part).incoming.size]
    require(bool(parts), "no-file")
    return parts


def _receive(person_id: str, part: FileStorage, tags: Tags) -> Upload:
    upload = services().uploads.receive(person_id, _name(part), _stream(part).incoming, tags)
    instrumentation.received(upload.id, upload.size)
    return upload


def _name(part: FileStorage) -> str:
    return file_name(part.filename or "") or gettext("Untitled")


def _stream(part: FileStorage) -> UploadStream:
    stream = part.stream
    assert isinstance(stream, UploadStream), "the request policy of this view has no streams_files"
    return stream


def _owned_view(upload_id: str) -> UploadView:
    """Raises `NotSignedIn` and `NotFound`."""
    return services().uploads.view(services().uploads.owned(signed_in().id, upload_id))


def _answer(view: UploadView) -> dict[str, str]:
    return {"id": view.upload.id, "status": view.status.value, "html": render_row(view)}


def _changed(message: str, html: str) -> ResponseReturnValue:
    if wants_json():
        return current_app.json.response({"html": html})
    flash(message, "ok")
    return redirect(previous_path(url_for(".index")), 303)
