"""A person's uploads: send, watch, cancel, try again, delete."""

from collections.abc import Sequence

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from werkzeug.datastructures import FileStorage

from demixer import uploads as use_cases
from demixer.domain import Tags, Upload
from demixer.errors import Refused
from demixer.uploads import UploadView
from web import forms
from web.context import house, signed_in, wants_json
from web.model import present_model
from web.paging import page_of
from web.receiving import Arriving

blueprint = Blueprint("uploads", __name__, url_prefix="/uploads")
ROWS = 20  # of the polling fall-back


@blueprint.get("")
def mine() -> ResponseReturnValue:
    visitor = signed_in()
    page = page_of(lambda limit, offset: use_cases.views_of(house(), visitor.id, limit=limit, offset=offset))
    limit_mb = house().settings.max_upload_mb
    return render_template("uploads.html", views=page.items, page=page, max_upload_mb=limit_mb)


@blueprint.post("")
def send() -> ResponseReturnValue:
    received = receive_all(signed_in().id)
    if not wants_json():
        flash(ngettext("%(num)s file received.", "%(num)s files received.", len(received)), "ok")
        return redirect(url_for(".mine"), 303)
    sent = [_answer(use_cases.view(house(), upload)) for upload in received]
    return {**sent[0], "uploads": sent}, 201, {"Location": url_for(".row", upload_id=received[0].id)}


@blueprint.get("/rows")
def rows() -> ResponseReturnValue:
    views = use_cases.views_of(house(), signed_in().id, limit=ROWS)
    return render_template("_upload_rows.html", views=views)


@blueprint.get("/<upload_id>/row")
def row(upload_id: str) -> ResponseReturnValue:
    return render_row(_view(upload_id))


@blueprint.post("/<upload_id>/cancel")
def cancel(upload_id: str) -> ResponseReturnValue:
    use_cases.cancel(house(), signed_in().id, upload_id)
    return _changed(gettext("Cancelled."), render_row(_view(upload_id)))


@blueprint.post("/<upload_id>/retry")
def retry(upload_id: str) -> ResponseReturnValue:
    choice = present_model().choice()
    use_cases.retry(house(), signed_in().id, upload_id, choice.name if choice else None)
    return _changed(gettext("Trying again."), render_row(_view(upload_id)))


@blueprint.post("/<upload_id>/delete")
def delete(upload_id: str) -> ResponseReturnValue:
    use_cases.delete(house(), signed_in().id, upload_id)
    return _changed(gettext("Deleted."), "")


def receive_all(person_id: str) -> Sequence[Upload]:
    """Every file of the form becomes an upload. Raises `Refused` for one that cannot; those before it stay received."""
    given = forms.tags()
    parts = [part for part in request.files.getlist("file") if part.filename or _incoming(part).incoming.size]
    if not parts:
        raise Refused("no-file")
    return [_receive(person_id, part, given) for part in parts]


def render_row(view: UploadView) -> str:
    return render_template("_upload_row.html", view=view)


def _receive(person_id: str, part: FileStorage, given: Tags) -> Upload:
    name = forms.file_name(part.filename or "") or gettext("Untitled")
    return use_cases.receive(house(), person_id, name, _incoming(part).incoming, given)


def _incoming(part: FileStorage) -> Arriving:
    stream = part.stream
    assert isinstance(stream, Arriving), "this endpoint is not in receiving.STREAMED"
    return stream


def _view(upload_id: str) -> UploadView:
    return use_cases.view(house(), use_cases.mine(house(), signed_in().id, upload_id))


def _answer(view: UploadView) -> dict[str, str]:
    return {"id": view.upload.id, "status": view.status.value, "html": render_row(view)}


def _changed(told: str, html: str) -> ResponseReturnValue:
    if wants_json():
        return current_app.json.response({"html": html})
    flash(told, "ok")
    return redirect(forms.back(url_for(".mine")), 303)
