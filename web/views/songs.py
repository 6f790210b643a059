"""The song page and what people do there: look, edit, accept names, keep, count a play, ask for better stems."""

from flask import Blueprint, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from demixer.domain import Song
from demixer.domain.errors import Forbidden, ModelUnavailable, Refused
from demixer.separation import models
from web.http.context import authenticated, person_id, services, signed_in, wants_json
from web.http.request_policy import FORM_BYTES, request_policy
from web.http.return_paths import previous_path
from web.presentation import song_page
from web.presentation.forms import COVER_BYTES, SongForm

blueprint = Blueprint("songs", __name__, url_prefix="/songs/<song_id>")
PLAY_SECONDS = 3600  # a person counts once an hour for a song
PLAYS_REMEMBERED = 30  # per session: the cookie has 4 kB


@blueprint.get("")
def show(song_id: str) -> ResponseReturnValue:
    """A merged song redirects to the one shown in its place; only for now, since merging can be undone."""
    view = services().songs.view(song_id, person_id())
    if view.song.id != song_id:
        return redirect(url_for(".show", song_id=view.song.id), 302)
    return render_template("song.html", view=view, song=view.song, **song_page.context(view))


@blueprint.get("/edit")
def edit(song_id: str) -> ResponseReturnValue:
    song = _owned_song(song_id)
    return render_template("song_edit.html", song=song, form=SongForm.of(song))


@blueprint.post("/edit")
@request_policy(authenticate=signed_in, max_body=COVER_BYTES + FORM_BYTES)
def save(song_id: str) -> ResponseReturnValue:
    song, form = _owned_song(song_id), SongForm.sent()
    if not form.validate():
        return render_template("song_edit.html", song=song, form=form), 422
    try:
        services().songs.edit(authenticated().id, song_id, form.tags())
    except Refused as error:
        form.add_error(error)
        return render_template("song_edit.html", song=song, form=form), error.http_status
    if form.cover_jpeg:
        services().songs.set_cover(authenticated().id, song_id, form.cover_jpeg)
    flash(gettext("Saved."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/names")
@request_policy()
def accept_names(song_id: str) -> ResponseReturnValue:
    services().naming.accept(signed_in().id, song_id)
    flash(gettext("Saved."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/names/decline")
@request_policy()
def decline_names(song_id: str) -> ResponseReturnValue:
    services().naming.decline(signed_in().id, song_id)
    flash(gettext("The names stay as they are."), "ok")
    return redirect(url_for(".show", song_id=song_id), 303)


@blueprint.post("/library")
@request_policy()
def add_to_library(song_id: str) -> ResponseReturnValue:
    services().songs.add_to_library(signed_in().id, song_id)
    return _library_changed(song_id, gettext("It is in your library."), in_library=True)


@blueprint.post("/library/remove")
@request_policy()
def remove_from_library(song_id: str) -> ResponseReturnValue:
    services().songs.remove_from_library(signed_in().id, song_id)
    return _library_changed(song_id, gettext("It is no longer in your library."), in_library=False)


@blueprint.post("/plays")
@request_policy()
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
@request_policy()
def separate_again(song_id: str) -> ResponseReturnValue:
    signed_in()
    model = services().capabilities.model_for_new_songs()
    if model is None:
        raise ModelUnavailable(model=services().settings.model, reason=gettext("no separation worker has started yet"))
    services().separations.separate_again(services().songs.get(song_id), model, models.better_than)
    flash(gettext("Requested. The present stems stay until the new ones are ready."), "ok")
    return redirect(previous_path(url_for(".show", song_id=song_id)), 303)


def _owned_song(song_id: str) -> Song:
    """The song that whoever is signed in may edit. Raises `NotSignedIn`, `NotFound` and `Forbidden`."""
    view = services().songs.view(song_id, signed_in().id)
    if not view.is_owner:
        raise Forbidden
    return view.song


def _library_changed(song_id: str, message: str, *, in_library: bool) -> ResponseReturnValue:
    if wants_json():
        return {"kept": in_library}
    flash(message, "ok")
    return redirect(previous_path(url_for(".show", song_id=song_id)), 303)
