"""Whether a recording is here already, asked with nothing but its fingerprint.

The fingerprint was made by somebody else's program and proves nothing. So the answer is only a proposal, of a song that
everybody may see: nothing is stored, and no upload joins anything by it.
"""

from collections.abc import Sequence

from demixer.audio.fingerprint import Fingerprint, compare
from demixer.domain import Song
from demixer.house import House

CANDIDATES = 50


def known(house: House, fingerprints: Sequence[Fingerprint]) -> Song | None:
    """The listed song that one of `fingerprints`, phases of one recording, is a recording of."""
    for song_id in house.fingerprints.candidates([each.to_bytes() for each in fingerprints], limit=CANDIDATES):
        song = house.catalogue.songs.get(song_id)
        if song and song.listed and not song.removed and _same(fingerprints, song):
            return song
    return None


def _same(fingerprints: Sequence[Fingerprint], song: Song) -> bool:
    theirs = Fingerprint.from_bytes(song.fingerprint)
    return any(compare(each, theirs).same for each in fingerprints)
