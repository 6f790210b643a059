"""The song page and what people do there: look, edit, take names, keep, count a play, ask for better stems."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.audio.cover import clean_cover
from demixer.domain import Tags
from demixer.domain.errors import Forbidden, ModelUnavailable, Refused
from demixer.separation import models
from demixer.services import songs
from demixer.services.songs import SongView
from web.http.context import person_id, services, signed_in, wants_json
from web.presentation import forms, song_page
from web.presentation.labels import translated

blueprint = Blueprint("songs", __name__, url_prefix="/songs/<song_id>")
COVER_BYTES = 5 * 1024 * 1024
PLAY_SECONDS = 3600  # a person counts once an hour for a song
PLAYS_REMEMBERED = 30  # per session: the cookie has 4 kB
FIELDS = {"bad-year": "year", "bad-cover": "cover"}


@blueprint.get("")
def show(song_id: str) -> ResponseReturnValue:
    """A song that was merged sends on to the one that stands for it; only for now, since merging can be undone."""
    view = services().songs.view(song_id, person_id())
    if view.song.id != song_id:
        return redirect(url_for(".show", song_id=view.song.id), 302)
    return render_template("song.html", view=view, song=view.song, **song_page.context(view))


@blueprint.get("/edit")
def edit(song_id: str) -> ResponseReturnValue:
    song = _editable(song_id).song
    form = {
        "artist": song.tags.artist,
        "album": song.tags.album,
        "title": song.tags.title,
        "year": song.tags.year or "",
    }
    return render_template("song_edit.html", song=song, form=form, errors={})


@blueprint.post("/edit")
def save(song_id: str) -> ResponseReturnValue:
    visitor, view = signed_in(), _editable(song_id)
    form = {name: forms.text(name) for name in ("artist", "album", "title", "year")}
    try:
        cover = _sent_cover()
        tags = Tags(artist=form["artist"], album=form["album"], title=form["title"], year=forms.year(form["year"]))
        services().songs.edit(visitor.id, song_id, tags)
    except Refused as error:
        errors = {_field(error, form): translated(error.code, error.params)}
        return render_template("song_edit.html", song=view.song, form=form, errors=errors), error.http_status
    if cover:
        services().songs.set_cover(visitor.id, song_id, cover)
    flash(gettext("Saved."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/names")
def take_names(song_id: str) -> ResponseReturnValue:
    services().naming.accept(signed_in().id, song_id)
    flash(gettext("Saved."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/names/decline")
def decline_names(song_id: str) -> ResponseReturnValue:
    services().naming.decline(signed_in().id, song_id)
    flash(gettext("The names stay as they are."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/library")
def keep(song_id: str) -> ResponseReturnValue:
    services().songs.add_to_library(signed_in().id, song_id)
    return _kept(song_id, True)


@blueprint.post("/library/remove")
def let_go(song_id: str) -> ResponseReturnValue:
    services().songs.remove_from_library(signed_in().id, song_id)
    return _kept(song_id, False)


@blueprint.post("/plays")
def play(song_id: str) -> ResponseReturnValue:
    """Once per browser and song in an hour."""
    now = int(services().clock().timestamp())
    recent = {song: at for song, at in session.get("plays", {}).items() if now - at < PLAY_SECONDS}
    if song_id not in recent:
        services().songs.count_play(song_id)
        recent[song_id] = now
    session["plays"] = dict(list(recent.items())[-PLAYS_REMEMBERED:])
    return "", 204


@blueprint.post("/separate-again")
def separate_again(song_id: str) -> ResponseReturnValue:
    signed_in()
    model = services().capabilities.model_for_new_songs()
    if model is None:
        raise ModelUnavailable(model=services().settings.model, reason=gettext("no separation worker has started yet"))
    services().separations.separate_again(services().songs.get(song_id), model, models.better_than)
    flash(gettext("Asked for. The stems here stay until the new ones are ready."), "ok")
    return redirect(forms.back(url_for(".show", song_id=song_id)), 303)


def _editable(song_id: str) -> SongView:
    """Raises `NotSignedIn`, `NotFound` and `Forbidden`."""
    view = services().songs.view(song_id, signed_in().id)
    if not view.is_owner:
        raise Forbidden
    return view


def _sent_cover() -> bytes | None:
    """Raises `Refused("bad-cover")`."""
    part = request.files.get("cover")
    data = part.read(COVER_BYTES + 1) if part else b""
    if not data:
        return None
    cover = clean_cover(data) if len(data) <= COVER_BYTES else None
    if cover is None:
        raise Refused("bad-cover")
    return cover


def _field(error: Refused, form: dict[str, Any]) -> str:
    """Which field to show the error beside; of several texts the first that is too long."""
    too_long = (name for name, text in form.items() if len(text) > songs.TEXT_LENGTH)
    return FIELDS.get(error.code) or next(too_long, "title")


def _kept(song_id: str, kept: bool) -> ResponseReturnValue:
    if wants_json():
        return {"kept": kept}
    flash(gettext("It is in your library.") if kept else gettext("It is no longer in your library."), "ok")
    return redirect(forms.back(url_for(".show", song_id=song_id)), 303)
