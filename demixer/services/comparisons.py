"""What a file is beside the songs of the catalogue: by its fingerprint, and where that says "the same", by its sound.

The `fingerprint` consumer does this, several at once, for as long as it takes. `match` acts on it, in milliseconds.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from demixer.domain import Comparison, MatchVerdict, Separation, SeparationState, Song, SongState
from demixer.domain.errors import NotFound, Refused
from demixer.ports import Files, FingerprintIndex, Separations, Songs
from demixer.recognition import mixes, reference, similarity
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.similarity import Kind, Likeness
from demixer.runtime import tempdirs
from demixer.services.storage import store_file

MAX_COMPARED_BY_SOUND = 3  # songs
MAX_COMPARISONS = 10

Candidate = tuple[Song, Likeness]


class Comparisons:
    """Compares files with the songs of the catalogue, and songs with each other. Only reads the catalogue."""

    def __init__(self, songs: Songs, separations: Separations, fingerprints: FingerprintIndex, files: Files) -> None:
        self._songs, self._separations, self._fingerprints, self._files = songs, separations, fingerprints, files

    def candidates(self, fingerprints: Sequence[bytes]) -> list[Candidate]:
        """The songs that a recording is similar to by its fingerprint, of one alignment or both; the best match first.
        Songs that were taken down are among them."""
        variants = [Fingerprint.from_bytes(variant) for variant in fingerprints]
        ids = self._fingerprints.candidates(fingerprints)
        songs = self._songs.get_many(ids)
        found = [
            (song, similarity.compare(Fingerprint.from_bytes(song.fingerprint), variants))
            for song_id in ids
            if (song := songs.get(song_id)) is not None and song.state is not SongState.WITHDRAWN
        ]
        related = [one for one in found if one[1].kind is not Kind.DIFFERENT]
        return sorted(related, key=lambda one: (not one[1].same, one[1].bit_error_rate))

    def compare(self, fingerprints: Sequence[bytes], samples: NDArray[np.int16]) -> list[Comparison]:
        """`samples` as `demixer.recognition.reference.samples` has them. Stops at the first song that is the same in
        its mix."""
        variants = [variant for variant in fingerprints if variant]
        found: list[Comparison] = []
        by_sound = 0
        alive = [one for one in self.candidates(variants) if one[0].state is not SongState.TAKEN_DOWN]
        for song, alike in alive[:MAX_COMPARISONS]:
            if alike.same and by_sound < MAX_COMPARED_BY_SOUND:
                by_sound += 1
                found.append(self._compare_sound(song, alike, samples))
                if found[-1].verdict is MatchVerdict.SAME:
                    return [found[-1]]
            else:
                found.append(Comparison(song_id=song.id, verdict=_BY_PRINT[alike.kind], offset=alike.offset))
        return found

    def are_same(self, song: Song, other: Song) -> bool:
        """Whether two songs are the same recording in the same mix, by comparing each with the stems of the other.
        About a second where their fingerprints are alike."""
        prints = [Fingerprint.from_bytes(one.fingerprint) for one in (song, other)]
        alike = [similarity.compare(one, [beside]) for one, beside in (prints, reversed(prints))]
        if not all(each.same for each in alike):  # neither has more than a few seconds that the other has not
            return False
        ours, theirs = self.reference_of(song), self.reference_of(other)
        lags = [round(each.offset * RATE) for each in alike]
        return bool(
            ours
            and theirs
            and mixes.compare(theirs.mixture, ours, lags[0]).same
            and mixes.compare(ours.mixture, theirs, lags[1]).same
        )

    def reference_of(self, song: Song) -> Reference | None:
        """With stems once there are some; without them while the song is being separated; None where no file is left."""
        separation = self._separations.get(song.separation_id or "")
        try:
            if separation is not None and separation.state is SeparationState.READY:
                return self._with_stems(song, separation)
            with self._files.local(song.audio_key) as path:
                return Reference((), reference.as_float(reference.samples(path))[None])
        except (NotFound, Refused):
            return None

    def _compare_sound(self, song: Song, alike: Likeness, samples: NDArray[np.int16]) -> Comparison:
        known = self.reference_of(song)
        if known is None:
            return Comparison(song_id=song.id, verdict=MatchVerdict.UNSURE, offset=alike.offset)
        found = mixes.compare(reference.as_float(samples), known, round(alike.offset * RATE))
        if found.alignment is None:
            verdict = MatchVerdict.EDIT if alike.sure else MatchVerdict.VERSION
            return Comparison(song_id=song.id, verdict=verdict, offset=alike.offset)
        offset = found.alignment.lag / RATE
        return Comparison(song_id=song.id, verdict=_verdict(found), offset=offset, missing_stems=found.without)

    def _with_stems(self, song: Song, separation: Separation) -> Reference | None:
        """Made now where it was damaged, or the separation is older than this program: that takes seconds, once."""
        key = f"{separation.folder}/{reference.FILE}"
        names = [stem.name for stem in separation.stems]
        known = self._read(key, names)
        if known is None:
            self._make(song, separation, key, names)
            known = self._read(key, names)
        return known

    def _read(self, key: str, names: Sequence[str]) -> Reference | None:
        if self._files.size(key) is None:
            return None
        with self._files.local(key) as path:
            return reference.read(path, names)

    def _make(self, song: Song, separation: Separation, key: str, names: Sequence[str]) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(tempdirs.folder())
            source = stack.enter_context(self._files.local(song.audio_key))
            for name in names:
                stem = stack.enter_context(self._files.local(f"{separation.folder}/{name}.flac"))
                (folder / f"{name}.flac").symlink_to(stem.absolute())
            store_file(self._files, key, reference.write(source, folder, names))


_BY_PRINT = {Kind.SAME: MatchVerdict.UNSURE, Kind.EDIT: MatchVerdict.EDIT, Kind.VERSION: MatchVerdict.VERSION}


def _verdict(found: mixes.Mix) -> MatchVerdict:
    if found.same:
        return MatchVerdict.SAME
    return MatchVerdict.MIX if found.sure else MatchVerdict.UNSURE
