"""The live page: server-sent events about a person's uploads and about one song."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, current_app, json, request, stream_with_context
from flask.typing import ResponseReturnValue

from demixer.domain import Status
from demixer.domain.errors import NotFound, NotSignedIn
from demixer.services.uploads import UploadView
from web.http.context import person_id, services
from web.live.broadcaster import Broadcaster, Changes, Listener
from web.views.uploads import ROWS, render_row

blueprint = Blueprint("live", __name__)
RECENT = timedelta(minutes=2)  # an upload that ended this lately may have been open when the page was made
RETRY_MILLISECONDS = 3000


@blueprint.get("/live")
def stream() -> ResponseReturnValue:
    """`?song=` is open to everybody; whoever is signed in also gets the rows of their own uploads."""
    visitor, song_id = person_id(), request.args.get("song")
    if visitor is None and song_id is None:
        raise NotSignedIn
    if song_id is not None:
        services().songs.get(song_id)
    broadcaster: Broadcaster = current_app.extensions["live"]
    listener = broadcaster.join(visitor, song_id)
    response = current_app.response_class(stream_with_context(_Stream(listener).events()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: broadcaster.leave(listener))
    return response


class _Stream:
    """Remembers what one listener was sent, so that it is sent only what differs.

    The number of queries after a wake-up does not grow with the number of uploads.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._sent: dict[str, object] = {}
        self._open: dict[str, Status] = {}

    def events(self) -> Iterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        yield from self._song()
        yield from self._rows(self._first_views())
        while (changes := self._listener.wait()) is not None:
            if not changes:
                yield ": still here\n\n"
            if changes.song or not changes:
                yield from self._song()
            yield from self._rows(self._changed_views(changes))

    def _first_views(self) -> Sequence[UploadView]:
        """The uploads that are open, or ended so lately that the page may not know."""
        if self._listener.person_id is None:
            return []
        views = services().uploads.views_of_person(self._listener.person_id, limit=ROWS)
        since = services().clock() - RECENT
        return [view for view in views if not view.status.is_final or _changed_since(view, since)]

    def _changed_views(self, changes: Changes) -> Sequence[UploadView]:
        """The changed uploads; those in the queue if that moved; without changes, all open ones."""
        upload_ids = set(changes.uploads if changes else self._open)
        if changes.queue:
            upload_ids |= {upload_id for upload_id, status in self._open.items() if status is Status.QUEUED}
        found = services().catalogue.uploads.get_many(upload_ids) if upload_ids else {}
        own = [upload for upload in found.values() if upload.person_id == self._listener.person_id]
        return services().uploads.views(own) if own else []

    def _rows(self, views: Sequence[UploadView]) -> Iterator[str]:
        for view in views:
            upload = view.upload
            self._open.pop(upload.id, None)
            if not view.status.is_final and not upload.hidden:
                self._open[upload.id] = view.status
            state = _state(view)
            if self._sent.get(upload.id) != state:
                self._sent[upload.id] = state
                status = "deleted" if upload.hidden else view.status.value
                yield _event("upload", id=upload.id, status=status, html="" if upload.hidden else render_row(view))

    def _song(self) -> Iterator[str]:
        song_id = self._listener.song_id
        if song_id is None:
            return
        data = _song_data(song_id)
        if self._sent.get("song") != data:
            self._sent["song"] = data
            yield _event("song", **data)


def _changed_since(view: UploadView, since: datetime) -> bool:
    """Counts an upload whose song was removed, since the view does not say when."""
    if view.song is None:
        return view.upload.updated_at > since or view.upload.song_id is not None
    return max(view.upload.updated_at, view.song.updated_at) > since


def _state(view: UploadView) -> tuple[object, ...]:
    """Views with equal states are drawn as equal rows."""
    running = view.separation and (view.separation.device, view.separation.seconds_left)
    song = view.song and view.song.version
    return view.upload.version, view.status, view.progress, view.queue_position, song, running


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
