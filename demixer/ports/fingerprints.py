"""The index of fingerprints."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class FingerprintIndex(Protocol):
    """Finds songs that may be the same recording. Whether they are is for `demixer.recognition` to find out."""

    def add(self, song_id: str, fingerprint: bytes) -> None:
        """`fingerprint` as `Fingerprint.to_bytes` gives it. Adding again replaces."""

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        """Ids of songs, the best match first.

        `fingerprints`: the alignment variants of one recording: as it is, and without its first 683 samples at 11,025
        Hz (half a hop), which matches better where a file was cut or delayed by parts of a frame. For each song the
        better variant counts. The cost of a look-up is bounded, whatever the index holds.
        """

    def remove(self, song_id: str) -> None: ...

    def rebuild(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Replace everything by these songs and their fingerprints; returns how many. One rebuild at a time.

        Look-ups go on and see either the old index or the new one. Songs added meanwhile, by any process, are kept.
        If it is killed, the old index stays.
        """

    def close(self) -> None: ...
