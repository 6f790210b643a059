"""The fingerprint index on MongoDB: a document for each key with the songs that have it, and one for each song.

A look-up reads the documents of its keys, about 110 a phase, by their ids in one request, whatever the number of songs.
Why so: docs/decisions/0012-mongodb.md and 0019-fingerprint-index.md.
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
from demixer.adapters.common.hit_counts import COMMON, keys_of, likeliest, needed
from demixer.adapters.mongo.database import Database

SONGS = "fingerprints"  # {_id: song, keys: [...]}: which keys to take back
KEYS = "fingerprint_keys"  # {_id: key, songs: [...]}: the first COMMON + 1 that came; so many say nothing
NEW_KEYS = "fingerprint_keys_new"  # while they are rebuilt
BATCH = 1_000  # documents a request
LONG_SECONDS = 600.0  # for what touches every song, or puts one collection in the place of another

LATE = {"old": {"$exists": False}, "rebuilt": {"$exists": False}}  # songs added since a rebuild began


class MongoFingerprints:
    """`demixer.ports.FingerprintIndex`.

    Writing down a song's keys comes before spreading them, and forgetting them after taking them back: whatever moment
    a process is killed at, doing it again leaves nothing behind.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, "fingerprints", (), variable="CATALOGUE_URL")

    def add(self, song_id: str, fingerprint: bytes) -> None:
        keys = keys_of(fingerprint).tolist()
        self.remove(song_id)
        with self._database.collection(SONGS) as songs:
            songs.replace_one({"_id": song_id}, {"keys": keys}, upsert=True)
        self._spread(song_id, keys)

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        phases = [keys_of(fingerprint) for fingerprint in fingerprints]
        keys = sorted({key for phase in phases for key in phase.tolist()})
        with self._database.collection(KEYS) as postings:
            found = {posting["_id"]: set(posting["songs"]) for posting in postings.find({"_id": {"$in": keys}})}
        telling = {key: songs for key, songs in found.items() if len(songs) <= COMMON}
        return likeliest([_votes(telling, phase.tolist(), needed(len(phase))) for phase in phases], limit)

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
        """The documents of keys are made whole beside the old ones and take their place; then late songs follow.

        Holds the ids of all songs in memory, about 100 bytes each.
        """
        self._mark({}, {"$set": {"old": True}})
        with closing(SortedParts(bits=64)) as parts:
            ids = self._written(entries, parts)
            self._fill(ids, parts)
        self._swap()
        with self._database.collection(SONGS) as songs:
            late = list(songs.find(LATE))
        for song in late:
            self._spread(song["_id"], song["keys"])
        with self._database.collection(SONGS) as songs, pymongo.timeout(LONG_SECONDS):
            songs.delete_many({"old": True})
        self._mark({}, {"$unset": {"rebuilt": ""}})
        return len(ids)

    def close(self) -> None:
        self._database.close()

    def _spread(self, song_id: str, keys: Sequence[int]) -> None:
        if keys:
            with self._database.collection(KEYS) as postings:
                postings.bulk_write([_posting(key, song_id) for key in keys], ordered=False)

    def _mark(self, which: dict[str, Any], change: dict[str, Any]) -> None:
        with self._database.collection(SONGS) as songs, pymongo.timeout(LONG_SECONDS):
            songs.update_many(which, change)

    def _written(self, entries: Iterable[tuple[str, bytes]], parts: SortedParts) -> list[str]:
        """The songs, in the order of their numbers; their postings, key above number, are in `parts`."""
        ids: list[str] = []
        for batch in _batches(entries):
            keys = [keys_of(fingerprint) for _, fingerprint in batch]
            numbers = np.repeat(np.arange(len(ids), len(ids) + len(batch)), [len(some) for some in keys])
            parts.add(np.concatenate(keys).astype(np.uint64) << np.uint64(32) | numbers.astype(np.uint64))
            ids += [song_id for song_id, _ in batch]
            written = [
                one for (song_id, _), some in zip(batch, keys, strict=True) for one in _song(song_id, some.tolist())
            ]
            with self._database.collection(SONGS) as songs:
                songs.bulk_write(written)
        return ids

    def _fill(self, ids: Sequence[str], parts: SortedParts) -> None:
        with self._database.collection(NEW_KEYS) as postings:
            postings.drop()
            documents = (document for part in parts for document in _documents(part, ids))
            for batch in _batches(documents):
                postings.insert_many(batch, ordered=False)

    def _swap(self) -> None:
        with self._database.collection(NEW_KEYS) as postings, pymongo.timeout(LONG_SECONDS):
            postings.update_one({"_id": -1}, {"$set": {"songs": []}}, upsert=True)  # an empty collection has no name
            postings.rename(KEYS, dropTarget=True)


def _batches(entries: Iterable[Any]) -> Iterator[list[Any]]:
    coming = iter(entries)
    while batch := list(islice(coming, BATCH)):
        yield batch


def _votes(postings: Mapping[int, set[str]], keys: Iterable[int], least: int) -> dict[str, int]:
    votes = Counter(song for key in keys for song in postings.get(key, ()))
    return {song: count for song, count in votes.items() if count >= least}


def _posting(key: int, song_id: str) -> UpdateOne:
    return UpdateOne({"_id": key}, {"$push": {"songs": {"$each": [song_id], "$slice": COMMON + 1}}}, upsert=True)


def _song(song_id: str, keys: list[int]) -> list[ReplaceOne[dict[str, Any]] | UpdateOne]:
    """In the place of an old one or of none; one that was added since stays."""
    song = {"keys": keys, "rebuilt": True}
    return [
        ReplaceOne({"_id": song_id, "old": True}, song),
        UpdateOne({"_id": song_id}, {"$setOnInsert": song}, upsert=True),
    ]


def _documents(part: np.ndarray[Any, np.dtype[np.uint64]], ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    keys, starts = np.unique(part >> np.uint64(32), return_index=True)
    numbers = np.split(part & np.uint64(0xFFFFFFFF), starts[1:])
    for key, some in zip(keys.tolist(), numbers, strict=False):  # without keys there is one part, empty
        yield {"_id": key, "songs": [ids[number] for number in some[: COMMON + 1].tolist()]}
