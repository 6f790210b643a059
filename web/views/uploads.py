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
from web.http.context import services, signed_in, wants_json
from web.http.streaming_uploads import Arriving
from web.presentation import forms
from web.presentation.labels import translated
from web.presentation.paging import page_of

blueprint = Blueprint("uploads", __name__, url_prefix="/uploads")
ROWS = 20  # of the polling fall-back


@blueprint.get("")
def mine() -> ResponseReturnValue:
    visitor = signed_in()
    page = page_of(lambda limit, offset: services().uploads.views_of_person(visitor.id, limit=limit, offset=offset))
    limit_mb = services().settings.max_upload_mb
    return render_template("uploads.html", views=page.items, page=page, max_upload_mb=limit_mb)


@blueprint.post("")
def send() -> ResponseReturnValue:
    received, refused = _receive_all(signed_in().id)
    if not wants_json():
        flash(ngettext("%(num)s file received.", "%(num)s files received.", len(received)), "ok")
        for told in refused:
            flash(f"{told['filename']}: {told['detail']}", "error")
        return redirect(url_for(".mine"), 303)
    sent = [_answer(services().uploads.view(upload)) for upload in received]
    location = url_for(".row", upload_id=received[0].id)
    return {**sent[0], "uploads": sent, "refused": refused}, 201, {"Location": location}


@blueprint.get("/rows")
def rows() -> ResponseReturnValue:
    views = services().uploads.views_of_person(signed_in().id, limit=ROWS)
    return render_template("_upload_rows.html", views=views)


@blueprint.get("/<upload_id>/row")
def row(upload_id: str) -> ResponseReturnValue:
    return render_row(_view(upload_id))


@blueprint.post("/<upload_id>/cancel")
def cancel(upload_id: str) -> ResponseReturnValue:
    services().uploads.cancel(signed_in().id, upload_id)
    return _changed(gettext("Cancelled."), render_row(_view(upload_id)))


@blueprint.post("/<upload_id>/retry")
def retry(upload_id: str) -> ResponseReturnValue:
    services().uploads.retry(signed_in().id, upload_id, services().capabilities.model_for_new_songs())
    return _changed(gettext("Trying again."), render_row(_view(upload_id)))


@blueprint.post("/<upload_id>/delete")
def delete(upload_id: str) -> ResponseReturnValue:
    services().uploads.delete(signed_in().id, upload_id)
    return _changed(gettext("Deleted."), "")


def receive_one(person_id: str) -> Upload:
    """The one file of the form. Raises `Refused`, and keeps nothing then."""
    parts = _parts()
    require(len(parts) == 1, "one-file")
    return _receive(person_id, parts[0], forms.tags())


def _receive_all(person_id: str) -> tuple[Sequence[Upload], Sequence[dict[str, str]]]:
    """Every file of the form that can be becomes an upload; the others, with why. Raises `Refused` if none can be."""
    given, received, refused = forms.tags(), list[Upload](), list[tuple[str, Refused]]()
    for part in _parts():
        try:
            received.append(_receive(person_id, part, given))
        except Refused as error:
            refused.append((_name(part), error))
    if not received:
        raise refused[0][1]
    return received, [{"filename": name, "detail": translated(error.code, error.params)} for name, error in refused]


def _parts() -> Sequence[FileStorage]:
    """The files of the form. Raises `Refused("no-file")`."""
    parts = [part for part in request.files.getlist("file") if part.filename or _incoming(part).incoming.size]
    require(bool(parts), "no-file")
    return parts


def render_row(view: UploadView) -> str:
    return render_template("_upload_row.html", view=view)


def _receive(person_id: str, part: FileStorage, given: Tags) -> Upload:
    upload = services().uploads.receive(person_id, _name(part), _incoming(part).incoming, given)
    instrumentation.received(upload.id, upload.size)
    return upload


def _name(part: FileStorage) -> str:
    return forms.file_name(part.filename or "") or gettext("Untitled")


def _incoming(part: FileStorage) -> Arriving:
    stream = part.stream
    assert isinstance(stream, Arriving), "this endpoint is not in receiving.STREAMED"
    return stream


def _view(upload_id: str) -> UploadView:
    return services().uploads.view(services().uploads.owned(signed_in().id, upload_id))


def _answer(view: UploadView) -> dict[str, str]:
    return {"id": view.upload.id, "status": view.status.value, "html": render_row(view)}


def _changed(told: str, html: str) -> ResponseReturnValue:
    if wants_json():
        return current_app.json.response({"html": html})
    flash(told, "ok")
    return redirect(forms.back(url_for(".mine")), 303)
