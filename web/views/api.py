"""The JSON API, version 1. Uploads belong to whoever holds the token; songs are everybody's."""

from flask import Blueprint, current_app, request, url_for
from flask.typing import ResponseReturnValue

from demixer.domain import Person
from demixer.domain.errors import Conflict, NotSignedIn, Refused
from web.http import fingerprints
from web.http.context import services, signed_in
from web.http.rate_limits import Allowance
from web.http.security import FORM_BYTES, allow, check_header
from web.presentation import serializers
from web.presentation.paging import found_page, page_of
from web.views.uploads import receive_one

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.post("/uploads")
def send_upload() -> ResponseReturnValue:
    """One file a request."""
    person = _bearer()
    allow(services().settings.max_upload_bytes + FORM_BYTES)
    received = receive_one(person.id)
    location = url_for(".upload", upload_id=received.id, _external=True)
    return serializers.upload(services().uploads.view(received)), 202, {"Location": location}


@blueprint.get("/uploads/<upload_id>")
def upload(upload_id: str) -> ResponseReturnValue:
    return serializers.upload(services().uploads.view(services().uploads.owned(_bearer().id, upload_id)))


@blueprint.delete("/uploads/<upload_id>")
def cancel_upload(upload_id: str) -> ResponseReturnValue:
    person = _bearer()
    try:
        cancelled = services().uploads.cancel(person.id, upload_id)
    except Refused as error:
        raise Conflict(error.code) from error
    return serializers.upload(services().uploads.view(cancelled))


@blueprint.post("/matches")
def match() -> ResponseReturnValue:
    """The song that a fingerprint is one of, if everybody may see it. Nothing is kept of the question."""
    allowance: Allowance = current_app.extensions["lookups"]
    allowance.take(_asking().id, services().clock())
    found = services().lookup.find(fingerprints.sent(services().settings.max_minutes))
    return {"song": serializers.song(services().songs.view(found.id, None)) if found else None}


@blueprint.get("/songs")
def find_songs() -> ResponseReturnValue:
    query = " ".join(request.args.get("q", "").split())[:200]
    if query:
        found = found_page(lambda limit, offset: services().songs.search(query, limit=limit, offset=offset))
        return serializers.songs(found, query)
    listed = services().catalogue.songs.list_visible
    newest = page_of(lambda limit, offset: listed(order="newest", limit=limit, offset=offset))
    return serializers.songs(newest, query)


@blueprint.get("/songs/<song_id>")
def song(song_id: str) -> ResponseReturnValue:
    return serializers.song(services().songs.view(song_id, None))


def _asking() -> Person:
    """Who sent the token; or who is signed in on the page whose script asks. Nothing of the body is read."""
    if request.authorization is not None:
        return _bearer()
    visitor = signed_in()
    check_header()
    return visitor


def _bearer() -> Person:
    """Who sent the token. Raises `NotSignedIn`, before anything of the body is read."""
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise NotSignedIn
    person = services().accounts.by_token(given.token)
    if person is None:
        raise NotSignedIn("bad-token")
    return person
