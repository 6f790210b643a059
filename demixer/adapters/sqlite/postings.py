"""The postings of the embedded fingerprint index: four bytes each, in buckets.

A key's hash has 28 bits (`hit_counts.key_hashes_of`). The upper 22 name its bucket, a row of the table. The lower six,
its tag, stand above the song's 26-bit number in the bucket. Why buckets: docs/decisions/0019-fingerprint-index.md.

    64 bits of a posting:   0 (10)  bucket (22)  tag (6)  song (26)
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from demixer.adapters.common.hit_counts import MAX_SONGS_PER_KEY, KeyHashes, min_hits

Numbers = NDArray[np.int64]
Postings = NDArray[np.uint64]

TAG_BITS, SONG_BITS = 6, 26
MAX_SONGS = 1 << SONG_BITS  # 67 million
POSTING_BITS = 54
BUCKET_BYTES = 3  # of a bucket's number in `songs.buckets`
MAX_PER_BUCKET = 4 * MAX_SONGS_PER_KEY  # 262 are usual among ten million songs; real music never has more than this
MAX_POSTINGS_READ = 500_000  # a look-up, of the smallest buckets; 62,000 are usual among ten million songs
MAX_HITS = 200_000  # counted a look-up, of the rarest keys; 36,000 are usual among ten million songs

_PACKED = np.dtype("<u4")


def buckets_of(hashes: KeyHashes) -> list[int]:
    buckets: list[int] = np.unique(hashes >> np.uint32(TAG_BITS)).tolist()
    return buckets


def pack_buckets(postings: Postings) -> bytes:
    """The buckets of these postings, in `BUCKET_BYTES` each."""
    buckets = (postings >> np.uint64(32)).astype(_PACKED)
    return buckets.view(np.uint8).reshape(-1, 4)[:, :BUCKET_BYTES].tobytes()


def unpack_buckets(blob: bytes) -> list[int]:
    wide = np.zeros((len(blob) // BUCKET_BYTES, 4), dtype=np.uint8)
    wide[:, :BUCKET_BYTES] = np.frombuffer(blob, dtype=np.uint8).reshape(-1, BUCKET_BYTES)
    buckets: list[int] = wide.view(_PACKED)[:, 0].tolist()
    return buckets


def postings_of(hashes: KeyHashes, songs: Numbers | int = 0) -> Postings:
    """A posting for each hash, with the song at the same index."""
    return hashes.astype(np.uint64) << np.uint64(SONG_BITS) | np.asarray(songs).astype(np.uint64)


def split(posting: int) -> tuple[int, int]:
    """The bucket, and the four bytes that are stored in it."""
    return posting >> 32, posting & 0xFFFFFFFF


def with_posting(blob: bytes, stored: int) -> bytes:
    """A bucket with one more posting, unless too many songs have its key, or the bucket is full."""
    bucket = np.frombuffer(blob, dtype=_PACKED)
    of_key = bucket >> np.uint32(SONG_BITS) == stored >> SONG_BITS if len(bucket) > MAX_SONGS_PER_KEY else bucket[:0]
    if len(bucket) >= MAX_PER_BUCKET or np.count_nonzero(of_key) > MAX_SONGS_PER_KEY:
        return blob
    return blob + stored.to_bytes(4, "little")


def without_song(blob: bytes, song: int) -> bytes:
    bucket = np.frombuffer(blob, dtype=_PACKED)
    kept: bytes = bucket[bucket & np.uint32(MAX_SONGS - 1) != song].tobytes()
    return kept


def of_song(number: int, blob: bytes, song: int) -> list[int]:
    """The postings of one song in the bucket of this number."""
    bucket = np.frombuffer(blob, dtype=_PACKED)
    return [number << 32 | int(stored) for stored in bucket[bucket & np.uint32(MAX_SONGS - 1) == song]]


def bucket_rows(postings: Postings) -> Iterator[tuple[int, bytes]]:
    """Rows of the table `buckets` for ascending postings. Of a key that too many songs have, the first of them."""
    kept = _capped(_capped(postings, SONG_BITS, MAX_SONGS_PER_KEY + 1), 32, MAX_PER_BUCKET)
    buckets, starts = np.unique(kept >> np.uint64(32), return_index=True)
    packed = (kept & np.uint64(0xFFFFFFFF)).astype(_PACKED).tobytes()
    edges = [*(starts * 4).tolist(), len(packed)]
    return zip(buckets.tolist(), (packed[edges[n] : edges[n + 1]] for n in range(len(buckets))), strict=True)


class HitCounter:
    """Counts the hits of some key hashes in the rows of their buckets."""

    def __init__(self, hashes: KeyHashes, rows: list[tuple[int, bytes]]) -> None:
        self._hashes = np.unique(hashes)
        smallest = sorted(rows, key=lambda row: len(row[1]))
        sizes = np.cumsum([len(blob) // 4 for _, blob in smallest])
        rows = smallest[: np.searchsorted(sizes, MAX_POSTINGS_READ, side="right")]
        packed = np.frombuffer(b"".join([blob for _, blob in rows]), dtype=_PACKED)
        upper = np.array([bucket for bucket, _ in rows], dtype=np.uint32) << np.uint32(TAG_BITS)
        found = np.repeat(upper, [len(blob) // 4 for _, blob in rows]) | packed >> np.uint32(SONG_BITS)
        at = np.searchsorted(self._hashes[:-1], found)  # so that it is never past the end
        asked = np.flatnonzero(self._hashes[at] == found) if len(found) else at
        self._at, self._songs = at[asked], packed[asked] & np.uint32(MAX_SONGS - 1)
        self._counted = _rarest(np.bincount(self._at, minlength=len(self._hashes)))

    def hits(self, variant: KeyHashes, limit: int) -> dict[int, int]:
        """Of the `limit` songs that have the most keys of one alignment variant, without those that have too few."""
        asked = np.isin(self._hashes, variant, assume_unique=True) & self._counted
        songs, hits = np.unique(self._songs[asked[self._at]], return_counts=True)
        enough = hits >= min_hits(len(variant))
        songs, hits = songs[enough], hits[enough]
        best = np.lexsort((songs, -hits))[:limit]
        return dict(zip(songs[best].tolist(), hits[best].tolist(), strict=True))


def _rarest(counts: Numbers) -> NDArray[np.bool_]:
    """Which keys are counted, given the songs of each: the rarest, until `MAX_HITS` is reached."""
    order = np.argsort(counts, kind="stable")
    counted = counts <= MAX_SONGS_PER_KEY
    counted[order] &= np.cumsum(counts[order]) <= MAX_HITS
    return counted


def _capped(postings: Postings, shift: int, most: int) -> Postings:
    """The first `most` of those that are equal above the lowest `shift` bits."""
    above = postings >> np.uint64(shift)
    first = np.concatenate([[True], above[1:] != above[:-1]]) if len(above) else np.zeros(0, dtype=np.bool_)
    at = np.arange(len(postings))
    start = np.maximum.accumulate(np.where(first, at, 0)) if len(at) else at
    return postings[at - start < most]
