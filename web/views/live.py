"""The live page: server-sent events about a person's uploads and about one song."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, current_app, json, request, stream_with_context
from flask.typing import ResponseReturnValue

from demixer.domain import Status, Upload, status_of
from demixer.domain.errors import NotFound, NotSignedIn
from demixer.services.uploads import UploadView
from web.http.context import person_id, services
from web.live.broadcaster import Hub, Listener, News
from web.views.uploads import ROWS, render_row

blueprint = Blueprint("live", __name__)
RECENT = timedelta(minutes=2)  # ended this lately: the page may have been drawn before
RETRY_MILLISECONDS = 3000


@blueprint.get("/live")
def stream() -> ResponseReturnValue:
    """Open to everybody for a song; a person's own uploads come along for whoever is signed in."""
    visitor, song_id = person_id(), request.args.get("song")
    if visitor is None and song_id is None:
        raise NotSignedIn
    if song_id is not None:
        services().songs.get(song_id)
    hub: Hub = current_app.extensions["live"]
    listener = hub.join(visitor, song_id)
    response = current_app.response_class(stream_with_context(_Stream(listener).events()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: hub.leave(listener))
    return response


class _Stream:
    """What one listener has been told so far, so that it is told only what is different."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: dict[str, object] = {}
        self._open: dict[str, Status] = {}

    def events(self) -> Iterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        yield from self._song()
        yield from self._uploads(self._at_first())
        while (news := self._listener.wait()) is not None:
            yield from self._new(news)

    def _new(self, news: News) -> Iterator[str]:
        if not news:
            yield ": still here\n\n"
        if news.song or not news:
            yield from self._song()
        yield from self._uploads(self._due(news))

    def _at_first(self) -> list[str]:
        """What is open, or ended so lately that the page may not know."""
        if self._listener.person_id is None:
            return []
        latest = services().catalogue.uploads.of_person(self._listener.person_id, limit=ROWS)
        since = services().clock() - RECENT
        return [upload.id for upload in latest if _may_be_news(upload, since)]

    def _due(self, news: News) -> set[str]:
        """The uploads to look at: those told of, those that wait if the queue moved, and all open ones now and then."""
        if not news:
            return set(self._open)
        waiting = {id_ for id_, status in self._open.items() if status is Status.QUEUED} if news.queue else set()
        return news.uploads | waiting

    def _uploads(self, upload_ids: Any) -> Iterator[str]:
        for upload_id in upload_ids:
            upload = services().catalogue.uploads.get(upload_id)
            if upload is not None and upload.person_id == self._listener.person_id:
                yield from self._upload(upload)

    def _upload(self, upload: Upload) -> Iterator[str]:
        view = services().uploads.view(upload)
        self._remember(view)
        state = _state(view)
        if self._told.get(upload.id) != state:
            self._told[upload.id] = state
            status = "deleted" if upload.hidden else view.status.value
            yield _event("upload", id=upload.id, status=status, html="" if upload.hidden else render_row(view))

    def _remember(self, view: UploadView) -> None:
        if view.status.is_final or view.upload.hidden:
            self._open.pop(view.upload.id, None)
        else:
            self._open[view.upload.id] = view.status

    def _song(self) -> Iterator[str]:
        song_id = self._listener.song_id
        if song_id is None:
            return
        data = _song_data(song_id)
        if self._told.get("song") != data:
            self._told["song"] = data
            yield _event("song", **data)


def _may_be_news(upload: Upload, since: datetime) -> bool:
    song = services().catalogue.songs.get(upload.song_id) if upload.song_id else None
    if upload.updated_at > since or (song and song.updated_at > since):
        return True
    separation = services().catalogue.separations.get(song.separation_id) if song and song.separation_id else None
    return not status_of(upload, separation).is_final


def _state(view: UploadView) -> tuple[object, ...]:
    """Two equal ones draw the same row."""
    running = view.separation and (view.separation.device, view.separation.seconds_left)
    return (
        view.upload.version,
        view.status,
        view.progress,
        view.queue_position,
        view.song and view.song.version,
        running,
    )


def _song_data(song_id: str) -> dict[str, Any]:
    try:
        view = services().songs.view(song_id, None)
    except NotFound:
        return {"id": song_id, "ready": False, "status": "removed", "progress": 0.0, "next": False}
    separation = view.next or view.separation
    return {
        "id": song_id,
        "ready": view.song.has_stems,
        "status": separation.state.value if separation else "requested",
        "progress": separation.progress if separation else 0.0,
        "next": view.next is not None,
    }


def _event(name: str, **data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
