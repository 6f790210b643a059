"""The fingerprint index on MongoDB: a document for each key with the songs that have it, and one for each song.

A look-up reads the documents of its keys, about 110, by their ids in one request, whatever the number of songs.
Why so: docs/decisions/0012-mongodb.md.
"""

from collections import Counter
from collections.abc import Sequence

from pymongo import UpdateOne

from demixer.backends.mongo import Database
from demixer.backends.votes import COMMON, keys_of, likeliest

SONGS = "fingerprints"  # {_id: song, keys: [...]}: which keys to take back
KEYS = "fingerprint_keys"  # {_id: key, songs: [...]}: the first COMMON + 1 that came; so many say nothing


class MongoFingerprints:
    """`demixer.ports.FingerprintIndex`.

    Writing down a song's keys comes before spreading them, and forgetting them after taking them back: whatever moment
    a process is killed at, doing it again leaves nothing behind.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, "fingerprints", (), variable="CATALOGUE_URL")

    def add(self, song_id: str, fingerprint: bytes) -> None:
        keys = keys_of(fingerprint)
        self.remove(song_id)
        with self._database.collection(SONGS) as songs:
            songs.replace_one({"_id": song_id}, {"keys": keys}, upsert=True)
        if keys:
            with self._database.collection(KEYS) as postings:
                postings.bulk_write([_posting(key, song_id) for key in keys], ordered=False)

    def candidates(self, fingerprint: bytes, *, limit: int = 50) -> Sequence[str]:
        keys = keys_of(fingerprint)
        with self._database.collection(KEYS) as postings:
            found = [set(posting["songs"]) for posting in postings.find({"_id": {"$in": keys}})]
        votes = Counter(song for songs in found if len(songs) <= COMMON for song in songs)
        return likeliest(votes, keys, limit)

    def remove(self, song_id: str) -> None:
        with self._database.collection(SONGS) as songs:
            song = songs.find_one({"_id": song_id})
        if song is None:
            return
        with self._database.collection(KEYS) as postings:
            postings.update_many({"_id": {"$in": song["keys"]}}, {"$pull": {"songs": song_id}})
        with self._database.collection(SONGS) as songs:
            songs.delete_one({"_id": song_id})

    def close(self) -> None:
        self._database.close()


def _posting(key: int, song_id: str) -> UpdateOne:
    return UpdateOne({"_id": key}, {"$push": {"songs": {"$each": [song_id], "$slice": COMMON + 1}}}, upsert=True)
