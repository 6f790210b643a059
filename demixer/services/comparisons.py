"""How files compare with the songs of the catalogue, and songs with each other: `demixer.recognition.pipeline`, with
what it needs read from the catalogue and the file store.

The `fingerprint` consumer compares several files at once, for as long as it takes. `match` acts on it in milliseconds.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from demixer.domain import Comparison, Separation, SeparationState, Song, SongState
from demixer.domain.errors import NotFound, Refused
from demixer.ports import Files, FingerprintIndex, Separations, Songs
from demixer.recognition import pipeline, reference
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.reference import Pcm, Reference
from demixer.recognition.similarity import FingerprintSimilarity
from demixer.runtime import tempdirs
from demixer.services.storage import store_file

Candidate = tuple[Song, FingerprintSimilarity]


class Comparisons:
    """Reads the catalogue, and changes nothing in it."""

    def __init__(self, songs: Songs, separations: Separations, fingerprints: FingerprintIndex, files: Files) -> None:
        self._songs, self._separations, self._fingerprints, self._files = songs, separations, fingerprints, files

    def candidates(self, variants: Sequence[bytes]) -> list[Candidate]:
        """The songs that a recording is similar to by its fingerprint, the best match first. Songs that were taken down
        are among them.

        `variants`: its fingerprint in both alignments, or one of them; empty ones are left out.
        """
        known = [variant for variant in variants if variant]
        ids = self._fingerprints.candidates(known)
        found = self._songs.get_many(ids)
        songs = {song_id: found[song_id] for song_id in ids if song_id in found}
        prints = [
            (song.id, Fingerprint.from_bytes(song.fingerprint))
            for song in songs.values()
            if song.state is not SongState.WITHDRAWN
        ]
        ranked = pipeline.rank_candidates([Fingerprint.from_bytes(variant) for variant in known], prints)
        return [(songs[one.song_id], one.similarity) for one in ranked]

    def compare(self, variants: Sequence[bytes], samples: Pcm) -> list[Comparison]:
        """`samples` as `demixer.recognition.reference.decode_file` gives them. Stops at the first song that is the same
        mix."""
        alive = {
            song.id: one for one in self.candidates(variants) if (song := one[0]).state is not SongState.TAKEN_DOWN
        }
        candidates = [pipeline.Candidate(song_id=key, similarity=one[1]) for key, one in alive.items()]
        return pipeline.compare_with_catalogue(
            samples, candidates, lambda song_id: self.reference_of(alive[song_id][0])
        )

    def are_same(self, song: Song, other: Song) -> bool:
        """Whether two songs are the same recording in the same mix. About a second where their fingerprints are
        similar."""
        first, second = (Fingerprint.from_bytes(one.fingerprint) for one in (song, other))
        return pipeline.is_same_mix_both_ways(
            first, second, lambda: (self.reference_of(song), self.reference_of(other))
        )

    def reference_of(self, song: Song) -> Reference | None:
        """With stems once there are some, without them while the song is being separated; None without any file."""
        separation = self._separations.get(song.separation_id or "")
        try:
            if separation is not None and separation.state is SeparationState.READY:
                return self._with_stems(song, separation)
            with self._files.local(song.audio_key) as path:
                return Reference.without_stems(reference.decode_file(path))
        except (NotFound, Refused):
            return None

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
