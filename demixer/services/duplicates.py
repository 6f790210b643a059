"""Songs of the catalogue that are one: imported twice, or brought before the rule of recognition improved.

Found as an upload is recognised: by their fingerprints first, then by their sound. Here both songs have stems, so each
is compared with the stems of the other, and both comparisons have to say that it is the same mix.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from demixer.domain import Song
from demixer.ports import Separations, Songs
from demixer.separation.models import better_than
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.comparisons import Comparisons


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatePair:
    """Two songs that are one. `kept` is the one to keep: with better stems, or fuller tags, or else the older."""

    kept: Song
    other: Song


class Duplicates:
    def __init__(
        self, songs: Songs, separations: Separations, comparisons: Comparisons, canonical: CanonicalSongs
    ) -> None:
        self._songs, self._separations = songs, separations
        self._comparisons, self._canonical = comparisons, canonical

    def of(self, song: Song) -> Sequence[DuplicatePair]:
        """Those with a song of a greater id, so that looking at all songs finds each pair once."""
        candidates = self._comparisons.candidates([song.fingerprint])
        others = {self._canonical.of(other).id for other, alike in candidates if alike.is_same_recording}
        found = self._songs.get_many({song_id for song_id in others if song_id > song.id})
        later = [other for other in found.values() if other.is_visible]
        return [self._pair(song, other) for other in later if self._comparisons.are_same(song, other)]

    def are_same(self, song: Song, other: Song) -> bool:
        return self._comparisons.are_same(song, other)

    def _pair(self, song: Song, other: Song) -> DuplicatePair:
        first, second = sorted((song, other), key=lambda one: (-_completeness(one), one.created_at, one.id))
        if better_than(self._model(second), self._model(first)):
            first, second = second, first
        return DuplicatePair(kept=first, other=second)

    def _model(self, song: Song) -> str:
        separation = self._separations.get(song.separation_id or "")
        return separation.model if separation else ""


def _completeness(song: Song) -> int:
    return sum(map(bool, (song.tags.artist, song.tags.album, song.tags.title, song.tags.year, song.cover_key)))
