"""The postings of the embedded fingerprint index, four bytes each, in buckets.

A key has a place of 28 bits (`votes.places_of`). The upper 22 name its bucket, a row of the table. The lower six, its
mark, stand above the song's 26-bit number in a posting. Why buckets: docs/decisions/0019-fingerprint-index.md.

    64 bits of a whole posting:   0 (10)  bucket (22)  mark (6)  song (26)
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from demixer.adapters.common.hit_counts import COMMON, Places, needed

Numbers = NDArray[np.int64]
Whole = NDArray[np.uint64]  # whole postings

MARK_BITS, SONG_BITS = 6, 26
MOST_SONGS = 1 << SONG_BITS  # 67 million
WHOLE_BITS = 54
BUCKET_BYTES = 3
MOST_IN_BUCKET = 4 * COMMON  # 262 are usual among ten million songs; more than this comes of nobody's music
MOST_READ = 500_000  # postings a look-up, those of the smallest buckets; 62,000 are usual among ten million songs
MOST_VOTES = 200_000  # of a look-up, those of its rarest keys; 36,000 are usual among ten million songs

_PACKED = np.dtype("<u4")


def buckets_of(places: Places) -> list[int]:
    buckets: list[int] = np.unique(places >> np.uint32(MARK_BITS)).tolist()
    return buckets


def to_blob(postings: Whole) -> bytes:
    """The buckets that some postings are in, in `BUCKET_BYTES` each."""
    buckets = (postings >> np.uint64(32)).astype(_PACKED)
    return buckets.view(np.uint8).reshape(-1, 4)[:, :BUCKET_BYTES].tobytes()


def from_blob(blob: bytes) -> list[int]:
    wide = np.zeros((len(blob) // BUCKET_BYTES, 4), dtype=np.uint8)
    wide[:, :BUCKET_BYTES] = np.frombuffer(blob, dtype=np.uint8).reshape(-1, BUCKET_BYTES)
    buckets: list[int] = wide.view(_PACKED)[:, 0].tolist()
    return buckets


def whole(places: Places, songs: Numbers | int = 0) -> Whole:
    """A posting of each place, with the song that stands beside it."""
    return places.astype(np.uint64) << np.uint64(SONG_BITS) | np.asarray(songs).astype(np.uint64)


def split(one: int) -> tuple[int, int]:
    """Bucket, and what is kept in it."""
    return one >> 32, one & 0xFFFFFFFF


def joined(blob: bytes, posting: int) -> bytes:
    """A bucket with one posting more, unless its key says nothing any more, or the bucket is full."""
    held = np.frombuffer(blob, dtype=_PACKED)
    alike = held >> np.uint32(SONG_BITS) == posting >> SONG_BITS if len(held) > COMMON else held[:0]
    if len(held) >= MOST_IN_BUCKET or np.count_nonzero(alike) > COMMON:
        return blob
    return blob + posting.to_bytes(4, "little")


def without(blob: bytes, song: int) -> bytes:
    held = np.frombuffer(blob, dtype=_PACKED)
    kept: bytes = held[held & np.uint32(MOST_SONGS - 1) != song].tobytes()
    return kept


def of_song(bucket: int, blob: bytes, song: int) -> list[int]:
    """The whole postings of one song in a bucket."""
    held = np.frombuffer(blob, dtype=_PACKED)
    return [bucket << 32 | int(one) for one in held[held & np.uint32(MOST_SONGS - 1) == song]]


def buckets(postings: Whole) -> Iterator[tuple[int, bytes]]:
    """Rows for ascending whole postings. Of a key that too many songs have, the first of them."""
    kept = _capped(_capped(postings, SONG_BITS, COMMON + 1), 32, MOST_IN_BUCKET)
    names, starts = np.unique(kept >> np.uint64(32), return_index=True)
    packed = (kept & np.uint64(0xFFFFFFFF)).astype(_PACKED).tobytes()
    edges = [*(starts * 4).tolist(), len(packed)]
    return zip(names.tolist(), (packed[edges[n] : edges[n + 1]] for n in range(len(names))), strict=True)


class Found:
    """The postings of some places, as they come out of their buckets; votes are counted in it."""

    def __init__(self, places: Places, rows: list[tuple[int, bytes]]) -> None:
        self._places = np.unique(places)
        rows = _smallest(rows)
        packed = np.frombuffer(b"".join([blob for _, blob in rows]), dtype=_PACKED)
        above = np.array([bucket for bucket, _ in rows], dtype=np.uint32) << np.uint32(MARK_BITS)
        held = np.repeat(above, [len(blob) // 4 for _, blob in rows]) | packed >> np.uint32(SONG_BITS)
        at = np.searchsorted(self._places[:-1], held)  # so that it is never past the end
        asked = np.flatnonzero(self._places[at] == held) if len(held) else at
        self._at, self._songs = at[asked], packed[asked] & np.uint32(MOST_SONGS - 1)
        self._telling = _telling(np.bincount(self._at, minlength=len(self._places)))

    def votes(self, phase: Places, limit: int) -> dict[int, int]:
        """Of the `limit` songs with the most, if those are enough."""
        asked = np.isin(self._places, phase, assume_unique=True) & self._telling
        songs, votes = np.unique(self._songs[asked[self._at]], return_counts=True)
        enough = votes >= needed(len(phase))
        songs, votes = songs[enough], votes[enough]
        best = np.lexsort((songs, -votes))[:limit]
        return dict(zip(songs[best].tolist(), votes[best].tolist(), strict=True))


def _smallest(rows: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """As many buckets as are worth reading, those with few postings before those with many."""
    ranked = sorted(rows, key=lambda row: len(row[1]))
    return ranked[: np.searchsorted(np.cumsum([len(blob) // 4 for _, blob in ranked]), MOST_READ, side="right")]


def _telling(counts: Numbers) -> NDArray[np.bool_]:
    """Which keys say something: the rarest, until there are votes enough to count."""
    order = np.argsort(counts, kind="stable")
    telling = counts <= COMMON
    telling[order] &= np.cumsum(counts[order]) <= MOST_VOTES
    return telling


def _capped(postings: Whole, shift: int, most: int) -> Whole:
    """The first `most` of those that are equal above the lowest `shift` bits."""
    above = postings >> np.uint64(shift)
    first = np.concatenate([[True], above[1:] != above[:-1]]) if len(above) else np.zeros(0, dtype=np.bool_)
    at = np.arange(len(postings))
    start = np.maximum.accumulate(np.where(first, at, 0)) if len(at) else at
    return postings[at - start < most]
