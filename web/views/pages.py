"""The pages everybody may browse: home, search, newest, most played; and a person's library."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.domain import Song
from web.http.context import person_id, services, signed_in
from web.presentation.paging import Page, found_page, page_of, search_query

blueprint = Blueprint("pages", __name__)
ON_HOME = 12  # songs of each list
UPLOADS_ON_HOME = 5
SUGGESTIONS = 8


@blueprint.get("/")
def home() -> ResponseReturnValue:
    visitor = person_id()
    return render_template(
        "home.html",
        newest=_songs("newest", ON_HOME),
        most_played=_songs("most-played", ON_HOME),
        promised=_promised_stems(),
        uploads=services().uploads.views_of_person(visitor, limit=UPLOADS_ON_HOME) if visitor else [],
    )


@blueprint.get("/search")
def search() -> ResponseReturnValue:
    query = search_query()
    page = found_page(lambda limit, offset: services().songs.search(query, limit=limit, offset=offset))
    return render_template("search.html", q=query, page=page)


@blueprint.get("/search/suggest")
def suggest() -> ResponseReturnValue:
    query = search_query()
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
    """A song that was kept as itself and as one merged into it is shown once."""
    visitor = signed_in()
    page = page_of(lambda limit, offset: services().songs.library(visitor.id, limit=limit, offset=offset))
    unique = {song.id: song for song in page.items}
    return render_template("library.html", page=replace(page, items=list(unique.values())))


def _browse(title: str, order: str) -> str:
    page: Page[Song] = page_of(lambda limit, offset: _songs(order, limit, offset))
    return render_template("browse.html", title=title, page=page, endpoint=request.endpoint)


def _songs(order: str, limit: int, offset: int = 0) -> Sequence[Song]:
    """Songs that nobody played come last among the most played, so leaving them out leaves no gap."""
    found = services().songs.browse(order=order, limit=limit, offset=offset)
    return [song for song in found if song.plays] if order == "most-played" else found


def _promised_stems() -> str:
    """What the start page may promise: "four" stems or more, "two", or "some" while no worker has named its model."""
    worker = services().capabilities.best()
    if worker is None:
        return "some"
    if {"vocals", "drums", "bass", "other"} <= set(worker.stems):
        return "four"
    return "two" if {"vocals", "accompaniment"} <= set(worker.stems) else "some"
