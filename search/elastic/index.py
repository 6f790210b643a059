"""The index of songs in Elasticsearch: its mapping, its names, and every change to its documents.

Searches go to the alias `<prefix>-songs`. Every change goes to that alias and to `<prefix>-songs-next`, which is there
while a rebuild fills its new index. Both are written by one request that makes no index where there is no alias.

Which write counts is for Elasticsearch to say, by external versions: twice the revision of a song, and one more for a
removed one. So nothing older replaces anything newer, and nothing of the revision that was removed brings it back. What
is removed stays as a tombstone, an empty document: deletions are forgotten after a minute (`index.gc_deletes`).

Words are folded by `search.queries`, for every engine alike, so the fields are keywords and no analyzer is needed.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, TypeVar

from elasticsearch import ApiError, Elasticsearch

from demixer.domain.errors import DemixerError, Transient
from demixer.ports import SongDocument
from search.documents import standing, wholes
from search.queries import heads, terms

T = TypeVar("T")
BATCH = 500  # documents a request; about 2 MB
TRIES = 5  # for a removal that songs are put beside
MISSING, LATE = "index_not_found_exception", "version_conflict_engine_exception"

log = logging.getLogger(__name__)

_SHOWN = {"index": False, "doc_values": False}  # kept to draw a result row
MAPPING = {
    "dynamic": "strict",
    "properties": {
        "id": {"type": "keyword"},  # the last criterion of the order
        "standing": {"type": "integer", "index": False},  # see `search.documents.standing`
        "whole": {"type": "keyword", "doc_values": False},  # the whole title, the whole artist, both ways
        "names": {"type": "keyword", "doc_values": False},  # terms of artist and title
        "terms": {"type": "keyword", "doc_values": False},  # and of the album
        "heads": {"type": "keyword", "doc_values": False},  # beginnings of the terms, for words with a typo
        **{name: {"type": "text", "index": False} for name in ("artist", "album", "title")},
        "year": {"type": "integer", **_SHOWN},
        "duration": {"type": "double", **_SHOWN},
        "cover": {"type": "boolean", **_SHOWN},
        "plays": {"type": "long", **_SHOWN},
        "revision": {"type": "long", **_SHOWN},
    },
}
SETTINGS = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}  # millions of songs fit into one shard
_SHOWN_FIELDS = tuple(SongDocument.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Change:
    """A document to write, or the tombstone of one."""

    id: str
    version: int
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    late: Sequence[str]  # ids of which something newer is there
    missing: frozenset[str]  # aliases that are not there


class SongsIndex:
    """For all threads; the server keeps the order."""

    def __init__(self, client: Elasticsearch, prefix: str) -> None:
        self.alias = f"{prefix}-songs"
        self.next = f"{self.alias}-next"
        self._client = client

    def put(self, documents: Iterable[SongDocument]) -> None:
        """What is late is left out."""
        for batch in batches(map(change_of, documents)):
            self._change(batch)

    def bury(self, song_ids: Iterable[str]) -> None:
        """Ids that were never put are ignored. Raises `Transient` where others keep putting the songs."""
        for batch in batches(song_ids):
            left: Sequence[str] = batch
            for _ in range(TRIES):
                left = self._change([Change(song_id, buried(last)) for song_id, last in self._versions(left).items()])
                if not left:
                    break
            else:
                raise Transient(reason="songs to be removed from the index are changing")

    def make(self) -> None:
        """An empty index under the alias, unless there is one. Safe to do in several processes at once."""
        if self._is_there():
            return
        try:
            self.create(f"{self.alias}-v-first", self.alias)
        except ApiError:
            if not self._is_there():
                raise
        else:
            log.warning("the search index %s was made, empty; `demixer reindex` fills it", self.alias)

    def create(self, index: str, alias: str) -> None:
        """Only one index can be written to by an alias, so of two processes one is refused."""
        aliases = {alias: {"is_write_index": True}}
        self._client.indices.create(index=index, mappings=MAPPING, settings=SETTINGS, aliases=aliases)

    def _change(self, changes: Sequence[Change]) -> Sequence[str]:
        """Returns the ids of those that came late."""
        written = write(self._client, (self.alias, self.next), changes, refresh=True)
        if self.alias in written.missing:
            self.make()
            written = write(self._client, (self.alias, self.next), changes, refresh=True)
        if self.alias in written.missing:
            raise Transient(reason=f"the alias {self.alias} was removed while we wrote to it")
        return written.late

    def _is_there(self) -> bool:
        return bool(self._client.indices.exists_alias(name=self.alias))

    def _versions(self, song_ids: Sequence[str]) -> Mapping[str, int]:
        """The newest version of each that is known, in the index in use or the next."""
        wanted = [
            {"_index": index, "_id": one, "_source": False} for index in (self.alias, self.next) for one in song_ids
        ]
        found: dict[str, int] = {}
        for each in self._client.mget(docs=wanted)["docs"] if wanted else ():
            if each.get("found"):
                found[each["_id"]] = max(each["_version"], found.get(each["_id"], 0))
        return found


def write(client: Elasticsearch, aliases: Sequence[str], changes: Sequence[Change], *, refresh: bool) -> Written:
    """Each change to each alias. Raises where one is refused for any other reason than being late."""
    if not changes:
        return Written((), frozenset())
    operations: list[Mapping[str, Any]] = []
    for change in changes:
        for alias in aliases:
            versioned = {"_id": change.id, "version": change.version, "version_type": "external_gte"}
            operations += [{"index": {"_index": alias, **versioned}}, change.body]
    answer = client.bulk(operations=operations, require_alias=True, refresh=refresh)
    return _written([item["index"] for item in answer["items"]]) if answer["errors"] else Written((), frozenset())


def change_of(document: SongDocument) -> Change:
    return Change(document.id, 2 * document.revision, body_of(document))


def buried(version: int) -> int:
    """The version of the tombstone of what had `version`. That of a tombstone is its own."""
    return version | 1


def body_of(document: SongDocument) -> Mapping[str, Any]:
    names = {**dict.fromkeys(terms(document.artist)), **dict.fromkeys(terms(document.title))}
    every = list({**names, **dict.fromkeys(terms(document.album))})
    return {
        **asdict(document),
        "standing": standing(document),
        "whole": wholes(document),
        "names": list(names),
        "terms": every,
        "heads": sorted({head for term in every for head in heads(term)}),
    }


def document_of(source: Mapping[str, Any]) -> SongDocument:
    return SongDocument(**{name: source[name] for name in _SHOWN_FIELDS})


def batches(items: Iterable[T]) -> Iterator[Sequence[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _written(items: Sequence[Mapping[str, Any]]) -> Written:
    failed = [item for item in items if "error" in item]
    for item in failed:
        if item["error"]["type"] not in (MISSING, LATE):
            raise _refused(item)
    late = dict.fromkeys(item["_id"] for item in failed if item["error"]["type"] == LATE)
    return Written(tuple(late), frozenset(item["_index"] for item in failed if item["error"]["type"] == MISSING))


def _refused(item: Mapping[str, Any]) -> DemixerError:
    reason = f"Elasticsearch did not take {item['_id']}: {item['error']['type']}: {item['error'].get('reason')}"
    transient = item["status"] in (403, 429) or item["status"] >= 500
    return Transient(reason=reason) if transient else DemixerError(reason=reason)
