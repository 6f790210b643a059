"""Functions of the templates: addresses, times, labels."""

from collections.abc import Sequence
from datetime import datetime

from flask import Flask, url_for
from flask_babel import format_timedelta
from markupsafe import Markup, escape

from demixer.domain import Song
from demixer.domain.formats import STEM_FORMATS, accepted_uploads
from demixer.domain.stems import stem_info
from demixer.ports import SongDocument
from web.http.assets import printing_url, static_url
from web.http.context import services
from web.presentation.labels import missing_stems_label, model_label, reason, relation_label, status_label, stem_label
from web.presentation.language import LANGUAGES, current_language


def set_up(app: Flask) -> None:
    app.jinja_env.globals.update(
        accepted_uploads=accepted_uploads(),
        cover_url=cover_url,
        duration=duration,
        relation_label=relation_label,
        languages=list(LANGUAGES.items()),
        marked=marked,
        max_minutes=app.extensions["services"].settings.max_minutes,
        max_upload_mb=app.extensions["services"].settings.max_upload_mb,
        model_label=model_label,
        printing_url=printing_url,
        reason=reason,
        relative_time=relative_time,
        static_url=static_url,
        stem_formats=STEM_FORMATS,
        stem_info=stem_info,
        missing_stems_label=missing_stems_label,
        status_label=status_label,
        stem_label=stem_label,
    )
    app.jinja_env.filters.update(duration=duration, relative_time=relative_time)
    app.context_processor(lambda: {"current_language": current_language()})


def duration(seconds: float) -> str:
    """3:51, or 1:02:03 past an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def relative_time(moment: datetime) -> str:
    """“3 minutes ago”, in the reader's language."""
    text: str = format_timedelta(moment - services().clock(), add_direction=True)
    return text


def marked(text: str, spans: Sequence[tuple[int, int]] = ()) -> Markup:
    """`text` with a `<mark>` around each span; `spans` are in order and do not overlap."""
    html, last = Markup(), 0
    for start, end in spans:
        html += escape(text[last:start]) + Markup("<mark>{}</mark>").format(text[start:end])
        last = end
    return html + escape(text[last:])


def cover_url(song: Song | SongDocument) -> str | None:
    return url_for("songs.cover", song_id=song.id) if song.has_cover else None
