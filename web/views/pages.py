"""The pages everybody may leaf through: home, search, newest, most played; and a person's library."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.domain import Song
from web.http.context import person_id, services, signed_in
from web.presentation.paging import Page, found_page, page_of

blueprint = Blueprint("pages", __name__)
ON_HOME = 12  # songs of each list
UPLOADS_ON_HOME = 5
SUGGESTIONS = 8
QUERY_LENGTH = 200  # characters of a search that are looked at


@blueprint.get("/")
def home() -> ResponseReturnValue:
    visitor = person_id()
    return render_template(
        "home.html",
        newest=_listed("newest", ON_HOME),
        most_played=_listed("most-played", ON_HOME),
        promised=_promised(),
        uploads=services().uploads.views_of_person(visitor, limit=UPLOADS_ON_HOME) if visitor else [],
        max_upload_mb=services().settings.max_upload_mb,
    )


@blueprint.get("/search")
def search() -> ResponseReturnValue:
    query = _query()
    page = found_page(lambda limit, offset: services().songs.search(query, limit=limit, offset=offset))
    return render_template("search.html", q=query, page=page)


@blueprint.get("/search/suggest")
def suggest() -> ResponseReturnValue:
    query = _query()
    found = services().songs.search(query, limit=SUGGESTIONS)
    return render_template("_suggestions.html", q=query, songs=found.songs, total=found.total, degraded=found.degraded)


@blueprint.get("/newest")
def newest() -> ResponseReturnValue:
    return _browse(gettext("Newest"), "newest")


@blueprint.get("/most-played")
def most_played() -> ResponseReturnValue:
    return _browse(gettext("Most played"), "most-played")


@blueprint.get("/library")
def library() -> ResponseReturnValue:
    visitor = signed_in()
    page = page_of(lambda limit, offset: services().songs.library(visitor.id, limit=limit, offset=offset))
    once = {song.id: song for song in page.items}
    return render_template("library.html", page=replace(page, items=list(once.values())))


def _browse(title: str, order: str) -> str:
    page: Page[Song] = page_of(lambda limit, offset: _listed(order, limit, offset))
    return render_template("browse.html", title=title, page=page, endpoint=request.endpoint)


def _listed(order: str, limit: int, offset: int = 0) -> Sequence[Song]:
    """What nobody played is not among the most played; there it comes last, so leaving it out leaves no gap."""
    found = services().songs.browse(order=order, limit=limit, offset=offset)
    return [song for song in found if song.plays] if order == "most-played" else found


def _promised() -> str:
    """What the start page may promise: "four" stems or more, "two", or "some" while nobody knows the model yet."""
    worker = services().capabilities.best()
    if worker is None:
        return "some"
    if {"vocals", "drums", "bass", "other"} <= set(worker.stems):
        return "four"
    return "two" if {"vocals", "accompaniment"} <= set(worker.stems) else "some"


def _query() -> str:
    return " ".join(request.args.get("q", "").split())[:QUERY_LENGTH]
