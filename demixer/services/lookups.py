"""Whether a recording is here already, asked with nothing but its fingerprint.

The fingerprint was made by somebody else's program and proves nothing. So the answer is only a proposal, of a song that
everybody may see: nothing is stored, and no upload joins anything by it.
"""

from collections.abc import Sequence

from demixer.domain import Song
from demixer.recognition.fingerprint import Fingerprint
from demixer.services.canonical_songs import CanonicalSongs
from demixer.services.comparisons import Comparisons


class FingerprintLookup:
    def __init__(self, comparisons: Comparisons, canonical: CanonicalSongs) -> None:
        self._comparisons, self._canonical = comparisons, canonical

    def find(self, fingerprints: Sequence[Fingerprint]) -> Song | None:
        """The visible song that `fingerprints`, alignment variants of one recording, are a recording of."""
        candidates = self._comparisons.candidates([each.to_bytes() for each in fingerprints])
        sure = (self._canonical.of(song) for song, alike in candidates if alike.is_near_identical)
        return next((song for song in sure if song.is_visible), None)
