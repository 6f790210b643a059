"""The index of fingerprints."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class FingerprintIndex(Protocol):
    """Finds songs that may be the same recording. It proposes; `demixer.recognition.fingerprint.compare` decides."""

    def add(self, song_id: str, fingerprint: bytes) -> None:
        """`fingerprint` as `Fingerprint.to_bytes` gives it. Adding again replaces."""

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        """Ids of songs, the likeliest first.

        `fingerprints`: of one recording in its phases: as it is and, better found where it was cut or delayed by parts
        of a frame, once more without its first 683 samples at 11,025 Hz (half a hop). The better phase counts for each
        song. What a look-up costs is bounded, whatever prints are in the index, and whichever are asked for.
        """

    def remove(self, song_id: str) -> None: ...

    def rebuild(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Replace everything by these songs and their fingerprints; returns how many. For a command, one at a time.

        Look-ups go on and see either the old index or the new one. Songs added meanwhile, by whomever, are kept.
        Killed on the way, it leaves the old index.
        """

    def close(self) -> None: ...
