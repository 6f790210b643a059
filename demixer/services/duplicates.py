"""Songs of the catalogue that are one: imported twice, or brought before the rule of recognition improved.

Found as an upload is recognised: by their fingerprints first, then by their sound. Here both songs have stems, so each
is laid on the stems of the other, and both comparisons have to say that it is the same mix.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from demixer.domain import MatchVerdict, Song
from demixer.recognition import mix_comparison, similarity
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import RATE
from demixer.separation.models import better_than
from demixer.services import comparisons, merging
from demixer.wiring import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two songs that are one. `kept` is the one to keep: with better stems, or fuller tags, or else the older."""

    kept: Song
    other: Song


def of(house: House, song: Song) -> Sequence[Pair]:
    """Those with a song of a greater id, so that looking at all songs finds each pair once."""
    alike = comparisons.alike(house, [song.fingerprint])
    others = {merging.standing(house, other).id: other for other, like in alike if like.is_same_recording}
    later = (house.catalogue.songs.get(song_id) for song_id in others if song_id > song.id)
    return [_pair(house, song, other) for other in later if other and other.is_visible and same(house, song, other)]


def same(house: House, song: Song, other: Song) -> bool:
    """Whether they are the same recording in the same mix. About a second where their fingerprints are alike."""
    prints = [Fingerprint.from_bytes(one.fingerprint) for one in (song, other)]
    likes = [similarity.compare_fingerprints(one, [beside]) for one, beside in (prints, reversed(prints))]
    if not all(like.is_same_recording for like in likes):  # neither has more than a few seconds that the other has not
        return False
    ours, theirs = comparisons.reference_of(house, song), comparisons.reference_of(house, other)
    lags = [round(like.offset * RATE) for like in likes]
    return bool(
        ours
        and theirs
        and mix_comparison.compare_mix(theirs.mixture, ours, lags[0]).verdict is MatchVerdict.SAME
        and mix_comparison.compare_mix(ours.mixture, theirs, lags[1]).verdict is MatchVerdict.SAME
    )


def _pair(house: House, song: Song, other: Song) -> Pair:
    first, second = sorted((song, other), key=lambda one: (-_fullness(one), one.created_at, one.id))
    models = [_model(house, one) for one in (first, second)]
    if better_than(models[1], models[0]):
        first, second = second, first
    return Pair(kept=first, other=second)


def _fullness(song: Song) -> int:
    return sum(map(bool, (song.tags.artist, song.tags.album, song.tags.title, song.tags.year, song.cover_key)))


def _model(house: House, song: Song) -> str:
    separation = house.catalogue.separations.get(song.separation_id or "")
    return separation.model if separation else ""
