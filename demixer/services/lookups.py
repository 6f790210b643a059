"""Whether a recording is here already, asked with nothing but its fingerprint.

The fingerprint was made by somebody else's program and proves nothing. So the answer is only a proposal, of a song that
everybody may see: nothing is stored, and no upload joins anything by it.
"""

from collections.abc import Sequence

from demixer.domain import Song
from demixer.recognition.fingerprint import Fingerprint
from demixer.services import comparisons, merging
from demixer.wiring import House


def known(house: House, fingerprints: Sequence[Fingerprint]) -> Song | None:
    """The listed song that `fingerprints`, phases of one recording, are a recording of."""
    alike = comparisons.alike(house, [each.to_bytes() for each in fingerprints])
    sure = (merging.standing(house, song) for song, like in alike if like.is_near_identical)
    return next((song for song in sure if song.is_visible), None)
