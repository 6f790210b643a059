"""The index of songs in Elasticsearch: its mapping, its names, and every change to its documents.

Searches go to the alias `<prefix>-songs`. Every change goes to that alias and to `<prefix>-songs-next`, which exists
while a rebuild fills its new index. One request writes to both, and creates no index where an alias is missing.

Elasticsearch decides which write is the newer one, by external versions: twice the revision of a song, and one more for
its tombstone. So nothing older replaces anything newer, and the revision that was removed does not come back. A
tombstone is an empty document, since Elasticsearch forgets deletions after a minute (`index.gc_deletes`).

Words are folded by `search.queries`, as for every engine, so the fields are keywords and no analyzer is needed.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, TypeVar

from elasticsearch import ApiError, Elasticsearch

from demixer.domain.errors import DemixerError, Transient
from demixer.ports import SongDocument
from search.documents import exact_phrases, rank
from search.queries import prefixes, terms

T = TypeVar("T")
BATCH = 500  # documents a request; about 2 MB
TRIES = 5  # to remove songs that others put at the same time
MISSING, OUTDATED = "index_not_found_exception", "version_conflict_engine_exception"

log = logging.getLogger(__name__)

_SHOWN = {"index": False, "doc_values": False}  # stored to show a result
MAPPING = {
    "dynamic": "strict",
    "properties": {
        "id": {"type": "keyword"},  # orders hits of the same score and rank
        "standing": {"type": "integer", "index": False},  # `search.documents.rank`
        "whole": {"type": "keyword", "doc_values": False},  # `search.documents.exact_phrases`
        "names": {"type": "keyword", "doc_values": False},  # terms of artist and title
        "terms": {"type": "keyword", "doc_values": False},  # the same, and of the album
        "heads": {"type": "keyword", "doc_values": False},  # prefixes of the terms, for words with a typo
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
class WriteResult:
    outdated: Sequence[str]  # ids of which the index has something newer
    missing: frozenset[str]  # aliases that do not exist


class SongsIndex:
    """For all threads: versions make the order of writes unimportant."""

    def __init__(self, client: Elasticsearch, prefix: str) -> None:
        self.alias = f"{prefix}-songs"
        self.next = f"{self.alias}-next"
        self._client = client

    def put(self, documents: Iterable[SongDocument]) -> None:
        """Documents that are older than what the index has are ignored."""
        for batch in batches(map(change_of, documents)):
            self._change(batch)

    def write_tombstones(self, song_ids: Iterable[str]) -> None:
        """Ids that were never put are ignored. Raises `Transient` where others keep putting the songs."""
        for batch in batches(song_ids):
            left: Sequence[str] = batch
            for _ in range(TRIES):
                versions = self._versions(left)
                left = self._change([Change(song_id, tombstone_version(last)) for song_id, last in versions.items()])
                if not left:
                    break
            else:
                raise Transient(reason="songs to be removed from the index are changing")

    def create_if_missing(self) -> None:
        """Create an empty index under the alias, unless there is one. Several processes may do so at once."""
        if self._exists():
            return
        try:
            self.create(f"{self.alias}-v-first", self.alias)
        except ApiError:
            if not self._exists():
                raise
        else:
            log.warning("the search index %s was made, empty; `demixer reindex` fills it", self.alias)

    def create(self, index: str, alias: str) -> None:
        """An alias has one write index at most, so of two processes the second one gets an error."""
        aliases = {alias: {"is_write_index": True}}
        self._client.indices.create(index=index, mappings=MAPPING, settings=SETTINGS, aliases=aliases)

    def _change(self, changes: Sequence[Change]) -> Sequence[str]:
        """Returns the ids of those that were outdated."""
        written = write(self._client, (self.alias, self.next), changes, refresh=True)
        if self.alias in written.missing:
            self.create_if_missing()
            written = write(self._client, (self.alias, self.next), changes, refresh=True)
        if self.alias in written.missing:
            raise Transient(reason=f"the alias {self.alias} was removed while we wrote to it")
        return written.outdated

    def _exists(self) -> bool:
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


def write(client: Elasticsearch, aliases: Sequence[str], changes: Sequence[Change], *, refresh: bool) -> WriteResult:
    """Write each change to each alias. Raises where one is refused for any other reason than being outdated."""
    if not changes:
        return WriteResult((), frozenset())
    operations: list[Mapping[str, Any]] = []
    for change in changes:
        for alias in aliases:
            versioned = {"_id": change.id, "version": change.version, "version_type": "external_gte"}
            operations += [{"index": {"_index": alias, **versioned}}, change.body]
    answer = client.bulk(operations=operations, require_alias=True, refresh=refresh)
    return _written([item["index"] for item in answer["items"]]) if answer["errors"] else WriteResult((), frozenset())


def change_of(document: SongDocument) -> Change:
    return Change(document.id, 2 * document.revision, body_of(document))


def tombstone_version(version: int) -> int:
    """Of the tombstone for a document of `version`, or for what is a tombstone already."""
    return version | 1


def body_of(document: SongDocument) -> Mapping[str, Any]:
    names = {**dict.fromkeys(terms(document.artist)), **dict.fromkeys(terms(document.title))}
    every = list({**names, **dict.fromkeys(terms(document.album))})
    return {
        **asdict(document),
        "standing": rank(document),
        "whole": exact_phrases(document),
        "names": list(names),
        "terms": every,
        "heads": sorted({prefix for term in every for prefix in prefixes(term)}),
    }


def document_of(source: Mapping[str, Any]) -> SongDocument:
    return SongDocument(**{name: source[name] for name in _SHOWN_FIELDS})


def batches(items: Iterable[T]) -> Iterator[Sequence[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _written(items: Sequence[Mapping[str, Any]]) -> WriteResult:
    failed = [item for item in items if "error" in item]
    for item in failed:
        if item["error"]["type"] not in (MISSING, OUTDATED):
            raise _refused(item)
    outdated = dict.fromkeys(item["_id"] for item in failed if item["error"]["type"] == OUTDATED)
    return WriteResult(
        tuple(outdated), frozenset(item["_index"] for item in failed if item["error"]["type"] == MISSING)
    )


def _refused(item: Mapping[str, Any]) -> DemixerError:
    reason = f"Elasticsearch did not take {item['_id']}: {item['error']['type']}: {item['error'].get('reason')}"
    transient = item["status"] in (403, 429) or item["status"] >= 500
    return Transient(reason=reason) if transient else DemixerError(reason=reason)
