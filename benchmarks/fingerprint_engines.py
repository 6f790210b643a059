"""Where the fingerprint index could live on servers, three ways: `python -m benchmarks.fingerprint_engines`.

MongoDB with a document a key (what we have), MongoDB with a document a song and a multikey index, Elasticsearch with a
document a song. On the tests' servers, which are not the real ones, unless `TEST_MONGODB` and `TEST_ELASTICSEARCH` name
such. The embedded index stands beside them.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
import pymongo
from elasticsearch.helpers import bulk

from benchmarks.fingerprints import SEED, Synthetic, changed, originals, song_id, stored
from benchmarks.report import TIMES_HEADER, milliseconds, print_table, times
from demixer.adapters.common.hit_counts import keys_of
from demixer.adapters.mongo.fingerprint_index import MongoFingerprints
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from search.elastic.client import client_and_prefix
from tests import servers

LIMIT = 50

Variants = Sequence[bytes]
Song = tuple[str, bytes]


class Index(Protocol):
    def rebuild(self, songs: Iterator[Song]) -> object: ...
    def candidates(self, fingerprints: Variants) -> Sequence[str]: ...
    def add(self, song_id: str, fingerprint: bytes) -> None: ...


class Multikey:
    """MongoDB, a document a song, and an index over its keys; the server counts."""

    def __init__(self, url: str) -> None:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url, w="majority", journal=True)
        self._songs = client.get_default_database()["songs"]

    def rebuild(self, songs: Iterator[Song]) -> None:
        while some := list(islice(songs, 1000)):
            self._songs.insert_many([{"_id": song, "keys": keys_of(one).tolist()} for song, one in some])
        self._songs.create_index("keys")

    def candidates(self, fingerprints: Variants) -> Sequence[str]:
        return _merged([self._by_variant(keys_of(one).tolist()) for one in fingerprints])

    def _by_variant(self, keys: list[int]) -> list[tuple[int, str]]:
        shared = {"$size": {"$setIntersection": ["$keys", keys]}}
        stages: list[dict[str, Any]] = [{"$match": {"keys": {"$in": keys}}}, {"$project": {"hits": shared}}]
        stages += [{"$match": {"hits": {"$gte": 2}}}, {"$sort": {"hits": -1, "_id": 1}}, {"$limit": LIMIT}]
        return [(song["hits"], song["_id"]) for song in self._songs.aggregate(stages)]

    def add(self, song_id: str, fingerprint: bytes) -> None:
        self._songs.replace_one({"_id": song_id}, {"keys": keys_of(fingerprint).tolist()}, upsert=True)


class Keywords:
    """Elasticsearch, a document a song, its keys as words; a clause a key counts one."""

    def __init__(self, url: str) -> None:
        self._client, self._name = client_and_prefix(url)
        keys = {"keys": {"type": "keyword", "norms": False, "index_options": "docs", "doc_values": False}}
        self._client.indices.create(index=self._name, mappings={"properties": keys, "_source": {"enabled": False}})

    def rebuild(self, songs: Iterator[Song]) -> None:
        actions = ({"_index": self._name, "_id": song, "keys": _words(one)} for song, one in songs)
        bulk(self._client.options(request_timeout=120), actions, chunk_size=500)
        self._client.indices.refresh(index=self._name)

    def candidates(self, fingerprints: Variants) -> Sequence[str]:
        return _merged([self._by_variant(_words(one)) for one in fingerprints])

    def _by_variant(self, words: list[str]) -> list[tuple[int, str]]:
        clauses = [{"constant_score": {"filter": {"term": {"keys": word}}}} for word in words]
        query = {"bool": {"should": clauses, "minimum_should_match": 2}}
        found = self._client.search(index=self._name, query=query, size=LIMIT, source=False, track_total_hits=False)
        return [(round(hit["_score"]), hit["_id"]) for hit in found["hits"]["hits"]]

    def add(self, song_id: str, fingerprint: bytes) -> None:
        """Visible at once, as the port promises."""
        self._client.index(index=self._name, id=song_id, document={"keys": _words(fingerprint)}, refresh=True)


@click.command()
@click.option("--songs", "count", default=10_000)
@click.option("--lookups", default=200)
@click.option("--adds", default=50)
@click.option("--only", default="", help="Part of the name of one of them.")
def main(count: int, lookups: int, adds: int, only: str) -> None:
    synthetic = Synthetic(np.concatenate(list(originals().values())))
    with tempfile.TemporaryDirectory() as folder:
        for name, open_ in OPENED.items():
            if only in name:
                _measure(name, open_(Path(folder)), synthetic, count, lookups, adds)


def _measure(name: str, index: Index, synthetic: Synthetic, count: int, lookups: int, adds: int) -> None:
    songs = list(_songs(synthetic, count))
    built = milliseconds(lambda: index.rebuild(iter(songs))) / 1000
    print(f"\n{name}: {count:,} songs in {built:.1f} s")
    queries = list(_queries(synthetic, lookups))
    found = sum(song in index.candidates(variants) for song, variants in queries)
    taken = [milliseconds(partial(index.candidates, variants)) for _, variants in queries]
    added = [milliseconds(partial(index.add, secrets.token_hex(10), one)) for _, one in _songs(synthetic, adds)]
    print_table(TIMES_HEADER, [times("look-up, both alignments", taken), times("adding a song", added)])
    print(f"found {found} of {len(queries)}")


def _songs(synthetic: Synthetic, count: int) -> Iterator[Song]:
    items = (some for batch in range(count) for some in synthetic.items(batch))
    for number, some in enumerate(islice(items, count)):
        yield song_id(number), stored(some)


def _queries(synthetic: Synthetic, count: int) -> Iterator[tuple[str, Variants]]:
    random = np.random.default_rng(SEED)
    for number, some in enumerate(islice((one for batch in range(count) for one in synthetic.items(batch)), count)):
        yield song_id(number), (stored(changed(some, random, 0.5)), stored(changed(some, random, 0.1)))


def _words(fingerprint: bytes) -> list[str]:
    return [f"{key:08x}" for key in keys_of(fingerprint).tolist()]


def _merged(results: Sequence[list[tuple[int, str]]]) -> list[str]:
    best: dict[str, int] = {}
    for hits, song in (one for result in results for one in result):
        best[song] = max(hits, best.get(song, 0))
    return sorted(best, key=lambda song: (-best[song], song))[:LIMIT]


OPENED: dict[str, Callable[[Path], Index]] = {
    "SQLite, buckets": lambda folder: SqliteFingerprints(folder / "index.db"),
    "MongoDB, a document a key": lambda folder: MongoFingerprints(servers.mongodb(_new(folder)).fresh()),
    "MongoDB, multikey": lambda folder: Multikey(servers.mongodb(_new(folder)).fresh()),
    "Elasticsearch, keywords": lambda folder: Keywords(servers.elasticsearch(_new(folder)).fresh()),
}


def _new(folder: Path) -> Path:
    made = folder / secrets.token_hex(4)
    made.mkdir()
    return made


if __name__ == "__main__":
    main()
