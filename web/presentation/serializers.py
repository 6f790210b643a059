"""What the API answers with: uploads and songs as JSON-able dictionaries, with absolute addresses."""

from typing import Any

from flask import url_for

from demixer.domain import Failure, Relation, Song
from demixer.domain.formats import STEM_FORMATS
from demixer.ports import SongDocument
from demixer.services.songs import SongView
from demixer.services.uploads import UploadView
from web.http.errors import title_of
from web.presentation.labels import reason
from web.presentation.paging import Page


def upload(view: UploadView) -> dict[str, Any]:
    """`links.waits_for`: the song whose stems the upload waits for, to see whether both are the same mix."""
    song_id, waits_for = view.song.id if view.song else None, view.upload.waits_for_song
    return {
        "id": view.upload.id,
        "status": view.status.value,
        "progress": view.progress,
        "song_id": song_id,
        "matched": view.matched,
        "error": _error(view.failure) if view.failure else None,
        "place": view.queue_position,
        "filename": view.upload.filename,
        "size": view.upload.size,
        "created_at": view.upload.created_at.isoformat(),
        "model": view.separation.model if view.separation else None,
        "device": (view.separation.device or None) if view.separation else None,
        "seconds_left": view.separation.seconds_left if view.separation else None,
        "links": {
            "self": url_for("api.upload", upload_id=view.upload.id, _external=True),
            "song": _song_url(song_id) if song_id else None,
            "waits_for": _song_url(waits_for) if waits_for else None,
        },
    }


def song(view: SongView) -> dict[str, Any]:
    shown = view.song
    return {
        **_summary(
            shown, artist=shown.tags.artist, album=shown.tags.album, title=shown.tags.title, year=shown.tags.year
        ),
        "created_at": shown.created_at.isoformat(),
        "ready": shown.has_stems,
        "model": view.separation.model if view.separation and view.stems else None,
        "device": (view.separation.device or None) if view.separation and view.stems else None,
        "gain": view.separation.gain if view.separation and view.stems else None,
        "stems": [{"name": stem.name, "urls": _stem_urls(shown.id, stem.name)} for stem in view.stems],
        "zip": url_for("songs.zip", song_id=shown.id, _external=True) if view.stems else None,
        "relatives": [_related_song(relation, other) for relation, other in view.related_songs],
    }


def _related_song(relation: Relation, other: Song) -> dict[str, Any]:
    """`less`: this song, not the other one, lacks the stems in `without`."""
    return {
        **_summary(
            other, artist=other.tags.artist, album=other.tags.album, title=other.tags.title, year=other.tags.year
        ),
        "kinship": relation.type.value,
        "without": list(relation.missing_stems),
        "less": relation.lacks_stems,
    }


def songs(page: Page[Song] | Page[SongDocument], query: str) -> dict[str, Any]:
    """`total` is null where nobody counted, and a lower bound where `at_least` is true.

    `resting`: the search engine is down, so these are only songs whose artist, album or title begins with the query.
    """
    return {
        "songs": [_row(item) for item in page.items],
        "page": page.number,
        "total": page.total,
        "at_least": page.at_least,
        "resting": page.degraded,
        "links": {
            "self": _page_url(query, page.number),
            "next": _page_url(query, page.number + 1) if page.has_next else None,
        },
    }


def _error(failure: Failure) -> dict[str, Any]:
    return {"code": failure.code, "title": title_of(422), "detail": reason(failure)}


def _row(item: Song | SongDocument) -> dict[str, Any]:
    tags = item.tags if isinstance(item, Song) else item
    return _summary(item, artist=tags.artist, album=tags.album, title=tags.title, year=tags.year)


def _summary(item: Song | SongDocument, **tags: object) -> dict[str, Any]:
    return {
        "id": item.id,
        **tags,
        "duration": item.duration,
        "plays": item.plays,
        "cover": url_for("songs.cover", song_id=item.id, _external=True) if item.has_cover else None,
        "links": {
            "self": _song_url(item.id),
            "page": url_for("songs.show", song_id=item.id, _external=True),
        },
    }


def _song_url(song_id: str) -> str:
    return url_for("api.song", song_id=song_id, _external=True)


def _stem_urls(song_id: str, name: str) -> dict[str, str]:
    return {
        kind: url_for("songs.stem", song_id=song_id, stem=name, extension=kind, _external=True) for kind in STEM_FORMATS
    }


def _page_url(query: str, number: int) -> str:
    return url_for("api.find_songs", q=query or None, page=number, _external=True)
