"""What a file is beside the songs of the catalogue: by its fingerprint, and where that says "the same", by its sound.

The `fingerprint` consumer does this, several at once, for as long as it takes. `match` acts on it, in milliseconds.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from demixer.domain import Comparison, MatchVerdict, Separation, SeparationState, Song
from demixer.domain.errors import NotFound, Refused
from demixer.recognition import mix_comparison, reference, similarity
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.similarity import FingerprintSimilarity
from demixer.runtime import tempdirs
from demixer.services.storage import keep_file
from demixer.wiring import House

LISTENED = 3  # songs whose sound is compared, at most
KEPT = 10  # comparisons, at most

Alike = tuple[Song, FingerprintSimilarity]


def alike(house: House, phases: Sequence[bytes]) -> list[Alike]:
    """The songs that a file is like by its fingerprint, printed in one phase or two; the likest first."""
    prints = [Fingerprint.from_bytes(phase) for phase in phases]
    songs = (house.catalogue.songs.get(song_id) for song_id in house.fingerprints.candidates(phases))
    found = [
        (song, similarity.compare_fingerprints(Fingerprint.from_bytes(song.fingerprint), prints))
        for song in songs
        if song is not None and not song.is_removed
    ]
    related = [one for one in found if one[1].verdict is not MatchVerdict.DIFFERENT]
    return sorted(related, key=lambda one: (not one[1].is_same_recording, one[1].bit_error_rate))


def compared(house: House, phases: Sequence[bytes], sound: NDArray[np.int16]) -> list[Comparison]:
    """`sound` as `demixer.recognition.reference.decode_file` gives it. Stops at the first song that is the same in its
    mix."""
    found: list[Comparison] = []
    listened = 0
    for song, like in alike(house, phases)[:KEPT]:
        if like.is_same_recording and listened < LISTENED:
            listened += 1
            found.append(_by_sound(house, song, like, sound))
            if found[-1].verdict is MatchVerdict.SAME:
                return [found[-1]]
        else:
            found.append(Comparison(song_id=song.id, verdict=like.verdict, offset=like.offset))
    return found


def _by_sound(house: House, song: Song, like: FingerprintSimilarity, sound: NDArray[np.int16]) -> Comparison:
    known = reference_of(house, song)
    if known is None:
        return Comparison(song_id=song.id, verdict=MatchVerdict.UNSURE, offset=like.offset)
    heard = mix_comparison.compare_mix(reference.as_float(sound), known, round(like.offset * RATE))
    if heard.offset is None:
        return Comparison(
            song_id=song.id,
            verdict=MatchVerdict.EDIT if like.is_near_identical else MatchVerdict.VERSION,
            offset=like.offset,
        )
    return Comparison(song_id=song.id, verdict=heard.verdict, offset=heard.offset, missing_stems=heard.missing_stems)


def reference_of(house: House, song: Song) -> Reference | None:
    """With stems once there are some; without them while the song is being separated; None where no file is left."""
    separation = house.catalogue.separations.get(song.separation_id or "")
    try:
        if separation is not None and separation.state is SeparationState.READY:
            return _with_stems(house, song, separation)
        with house.files.local(song.audio_key) as path:
            return Reference.without_stems(reference.decode_file(path))
    except (NotFound, Refused):
        return None


def _with_stems(house: House, song: Song, separation: Separation) -> Reference | None:
    """Made now where it was damaged, or the separation is older than this program: that takes seconds, once."""
    key = f"{separation.folder}/{reference.FILE}"
    names = [stem.name for stem in separation.stems]
    known = _read(house, key, names)
    if known is None:
        _make(house, song, separation, key, names)
        known = _read(house, key, names)
    return known


def _read(house: House, key: str, names: Sequence[str]) -> Reference | None:
    if house.files.size(key) is None:
        return None
    with house.files.local(key) as path:
        return reference.read(path, names)


def _make(house: House, song: Song, separation: Separation, key: str, names: Sequence[str]) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempdirs.folder())
        source = stack.enter_context(house.files.local(song.audio_key))
        for name in names:
            stem = stack.enter_context(house.files.local(f"{separation.folder}/{name}.flac"))
            (folder / f"{name}.flac").symlink_to(stem.absolute())
        keep_file(house.files, key, reference.write(source, folder, names))
