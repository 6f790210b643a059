"""The JSON API, version 1. Uploads belong to whoever holds the token; songs are everybody's."""

from flask import Blueprint, current_app, request, url_for
from flask.typing import ResponseReturnValue

from demixer.domain import Person
from demixer.domain.errors import Conflict, NotSignedIn, Refused
from web.http.context import authenticated, services, signed_in
from web.http.fingerprints import read_fingerprints
from web.http.rate_limits import LookupLimit
from web.http.request_policy import FORM_BYTES, request_policy
from web.http.security import check_csrf_header
from web.presentation import serializers
from web.presentation.paging import found_page, page_of, search_query
from web.views.uploads import receive_one

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


def token_owner() -> Person:
    """Who sent the token. Raises `NotSignedIn`. Nothing of the body is read."""
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise NotSignedIn
    person = services().accounts.by_token(given.token)
    if person is None:
        raise NotSignedIn("bad-token")
    return person


def token_owner_or_visitor() -> Person:
    """Who sent the token; or who is signed in on the page whose script asks. Nothing of the body is read."""
    if request.authorization is not None:
        return token_owner()
    visitor = signed_in()
    check_csrf_header()
    return visitor


def max_body() -> int:
    """Bytes: one file."""
    return services().settings.max_upload_bytes + FORM_BYTES


@blueprint.post("/uploads")
@request_policy(authenticate=token_owner, max_body=max_body, csrf=False, streams_files=True)
def send_upload() -> ResponseReturnValue:
    """One file a request."""
    received = receive_one(authenticated().id)
    location = url_for(".upload", upload_id=received.id, _external=True)
    return serializers.upload(services().uploads.view(received)), 202, {"Location": location}


@blueprint.get("/uploads/<upload_id>")
def upload(upload_id: str) -> ResponseReturnValue:
    return serializers.upload(services().uploads.view(services().uploads.owned(token_owner().id, upload_id)))


@blueprint.delete("/uploads/<upload_id>")
@request_policy(csrf=False)
def cancel_upload(upload_id: str) -> ResponseReturnValue:
    try:
        cancelled = services().uploads.cancel(token_owner().id, upload_id)
    except Refused as error:
        raise Conflict(error.code) from error
    return serializers.upload(services().uploads.view(cancelled))


@blueprint.post("/matches")
@request_policy(authenticate=token_owner_or_visitor, max_body=None, csrf=False)
def match() -> ResponseReturnValue:
    """The song that a fingerprint is one of, if everybody may see it. Nothing is kept of the question.

    The rate limit comes before the body, which `read_fingerprints` limits.
    """
    limit: LookupLimit = current_app.extensions["lookup_limit"]
    limit.hit(authenticated().id, services().clock())
    found = services().lookup.find(read_fingerprints(services().settings.max_minutes))
    return {"song": serializers.song(services().songs.view(found.id, None)) if found else None}


@blueprint.get("/songs")
def find_songs() -> ResponseReturnValue:
    query = search_query()
    if query:
        found = found_page(lambda limit, offset: services().songs.search(query, limit=limit, offset=offset))
        return serializers.songs(found, query)
    newest = page_of(lambda limit, offset: services().songs.browse(order="newest", limit=limit, offset=offset))
    return serializers.songs(newest, query)


@blueprint.get("/songs/<song_id>")
def song(song_id: str) -> ResponseReturnValue:
    return serializers.song(services().songs.view(song_id, None))
