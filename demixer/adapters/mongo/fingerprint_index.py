"""The fingerprint index on MongoDB: a document for each key with the songs that have it, and one for each song.

A look-up reads the documents of its keys, about 110 an alignment variant, by their ids in one request. Decisions:
docs/decisions/0012-mongodb.md and 0019-fingerprint-index.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import pymongo
from pymongo import ReplaceOne, UpdateOne

from demixer.adapters.common.external_sort import SortedParts
from demixer.adapters.common.hit_counts import MAX_SONGS_PER_KEY, keys_of, min_hits, ranked
from demixer.adapters.mongo.database import Database

SONGS = "fingerprints"  # {_id: song, keys: [...]}: from which keys to remove the song
KEYS = "fingerprint_keys"  # {_id: key, songs: [...]}: the first MAX_SONGS_PER_KEY + 1; with so many it is ignored
NEW_KEYS = "fingerprint_keys_new"  # while they are rebuilt
BATCH = 1_000  # documents a request
LONG_SECONDS = 600.0  # for a request that touches every song, or renames a collection

ADDED_SINCE = {"old": {"$exists": False}, "rebuilt": {"$exists": False}}  # songs added since a rebuild began


class MongoFingerprints:
    """`demixer.ports.FingerprintIndex`.

    A song's document, with its keys, is stored before the song is put under these keys, and deleted after the song was
    removed from them. So a process may be killed at any moment: doing it again leaves nothing behind.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, "fingerprints", (), variable="CATALOGUE_URL")

    def add(self, song_id: str, fingerprint: bytes) -> None:
        keys = keys_of(fingerprint).tolist()
        self.remove(song_id)
        with self._database.collection(SONGS) as songs:
            songs.replace_one({"_id": song_id}, {"keys": keys}, upsert=True)
        self._put_under_keys(song_id, keys)

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        variants = [keys_of(fingerprint) for fingerprint in fingerprints]
        keys = sorted({key for variant in variants for key in variant.tolist()})
        with self._database.collection(KEYS) as postings:
            found = {posting["_id"]: set(posting["songs"]) for posting in postings.find({"_id": {"$in": keys}})}
        counted = {key: songs for key, songs in found.items() if len(songs) <= MAX_SONGS_PER_KEY}
        return ranked([_hits(counted, variant.tolist()) for variant in variants], limit)

    def remove(self, song_id: str) -> None:
        with self._database.collection(SONGS) as songs:
            song = songs.find_one({"_id": song_id})
        if song is None:
            return
        with self._database.collection(KEYS) as postings:
            postings.update_many({"_id": {"$in": song["keys"]}}, {"$pull": {"songs": song_id}})
        with self._database.collection(SONGS) as songs:
            songs.delete_one({"_id": song_id})

    def rebuild(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Fills a new collection of keys, puts it in the place of the old one, and adds the songs that came meanwhile.

        Holds the ids of all songs in memory, about 100 bytes each.
        """
        self._change_all_songs({"$set": {"old": True}})
        with closing(SortedParts(bits=64)) as parts:
            ids = self._write_songs(entries, parts)
            self._write_keys(ids, parts)
        with self._database.collection(NEW_KEYS) as postings, pymongo.timeout(LONG_SECONDS):
            postings.update_one({"_id": -1}, {"$set": {"songs": []}}, upsert=True)  # only what exists can be renamed
            postings.rename(KEYS, dropTarget=True)
        with self._database.collection(SONGS) as songs:
            added_since = list(songs.find(ADDED_SINCE))
        for song in added_since:
            self._put_under_keys(song["_id"], song["keys"])
        with self._database.collection(SONGS) as songs, pymongo.timeout(LONG_SECONDS):
            songs.delete_many({"old": True})
        self._change_all_songs({"$unset": {"rebuilt": ""}})
        return len(ids)

    def close(self) -> None:
        self._database.close()

    def _put_under_keys(self, song_id: str, keys: Sequence[int]) -> None:
        if keys:
            with self._database.collection(KEYS) as postings:
                postings.bulk_write([_posting(key, song_id) for key in keys], ordered=False)

    def _change_all_songs(self, change: dict[str, Any]) -> None:
        with self._database.collection(SONGS) as songs, pymongo.timeout(LONG_SECONDS):
            songs.update_many({}, change)

    def _write_songs(self, entries: Iterable[tuple[str, bytes]], parts: SortedParts) -> list[str]:
        """Returns their ids in the order of their numbers. Their postings, key above number, go into `parts`."""
        ids: list[str] = []
        for batch in _batches(entries):
            keys = [keys_of(fingerprint) for _, fingerprint in batch]
            numbers = np.repeat(np.arange(len(ids), len(ids) + len(batch)), [len(each) for each in keys])
            parts.add(np.concatenate(keys).astype(np.uint64) << np.uint64(32) | numbers.astype(np.uint64))
            ids += [song_id for song_id, _ in batch]
            changes = [
                change
                for (song_id, _), each in zip(batch, keys, strict=True)
                for change in _replace_old(song_id, each.tolist())
            ]
            with self._database.collection(SONGS) as songs:
                songs.bulk_write(changes)
        return ids

    def _write_keys(self, ids: Sequence[str], parts: SortedParts) -> None:
        with self._database.collection(NEW_KEYS) as postings:
            postings.drop()
            documents = (document for part in parts for document in _documents(part, ids))
            for batch in _batches(documents):
                postings.insert_many(batch, ordered=False)


def _batches(entries: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(entries)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _hits(postings: Mapping[int, set[str]], keys: Sequence[int]) -> dict[str, int]:
    """By song, without the songs that have too few."""
    hits = Counter(song for key in keys for song in postings.get(key, ()))
    return {song: count for song, count in hits.items() if count >= min_hits(len(keys))}


def _posting(key: int, song_id: str) -> UpdateOne:
    one_more = {"$each": [song_id], "$slice": MAX_SONGS_PER_KEY + 1}
    return UpdateOne({"_id": key}, {"$push": {"songs": one_more}}, upsert=True)


def _replace_old(song_id: str, keys: list[int]) -> list[ReplaceOne[dict[str, Any]] | UpdateOne]:
    """In the place of the old document or of none. A document that was added since the rebuild began stays."""
    song = {"keys": keys, "rebuilt": True}
    return [
        ReplaceOne({"_id": song_id, "old": True}, song),
        UpdateOne({"_id": song_id}, {"$setOnInsert": song}, upsert=True),
    ]


def _documents(part: np.ndarray[Any, np.dtype[np.uint64]], ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    keys, starts = np.unique(part >> np.uint64(32), return_index=True)
    numbers = np.split(part & np.uint64(0xFFFFFFFF), starts[1:])
    for key, of_key in zip(keys.tolist(), numbers, strict=False):  # without keys there is one empty array of numbers
        yield {"_id": key, "songs": [ids[number] for number in of_key[: MAX_SONGS_PER_KEY + 1].tolist()]}
