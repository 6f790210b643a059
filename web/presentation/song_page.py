"""What the song page shows beside the song: its stems with their addresses, the player's data, the model."""

from collections.abc import Mapping
from typing import Any

from flask import url_for

from demixer.domain import Separation, Stem
from demixer.domain.formats import STEM_FORMATS
from demixer.separation.models import model_info
from demixer.services.songs import SongView
from web.http.context import services
from web.presentation.labels import model_label, stem_label


def context(view: SongView) -> Mapping[str, Any]:
    stems = [_stem(view.song.id, stem) for stem in view.stems]
    made_by = view.separation if view.stems else None
    better = services().capabilities.better_model(made_by.model) if made_by else None
    return {
        "stems": stems,
        "player": _player(view, stems),
        "model": _model(made_by, better) if made_by else None,
        "better_model": None if view.next else better,
    }


def _stem(song_id: str, stem: Stem) -> dict[str, Any]:
    address = {kind: url_for("songs.stem", song_id=song_id, stem=stem.name, extension=kind) for kind in STEM_FORMATS}
    peaks = url_for("songs.peaks", song_id=song_id, stem=stem.name)
    return {"name": stem.name, "label": stem_label(stem.name), "urls": address, "peaks": peaks}


def _player(view: SongView, stems: list[dict[str, Any]]) -> Mapping[str, Any]:
    """`gain`: the factor on all stems when they were written. Dividing by it gives the level of the song."""
    return {
        "id": view.song.id,
        "duration": view.song.duration,
        "gain": view.separation.gain if view.separation else 1.0,
        "stems": [
            {**{key: stem[key] for key in ("name", "label", "peaks")}, "mp3": stem["urls"]["mp3"]} for stem in stems
        ],
        "plays_url": url_for("songs.play", song_id=view.song.id),
    }


def _model(separation: Separation, better: str | None) -> Mapping[str, Any]:
    """`four_stems_hint`: the weights of a Demucs model would give four stems on this server."""
    return {
        "name": separation.model,
        "label": model_label(separation.model),
        "device": separation.device,
        "four_stems_hint": model_info(separation.model).bundled and better is None,
    }
