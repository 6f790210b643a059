"""Rebuilds the index: a new index is filled, and then takes the alias of the old one.

Meanwhile searches use the old index, and every change goes to both (`search.elastic.index`). Versions decide which
write is the newer one, whether the change or the rebuild comes first. At the end, songs that only the old index has get
tombstones in the new one, so that a late write does not bring them back. If the rebuild is killed, the old index stays,
and the next rebuild removes the new one.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError, helpers

from demixer.domain.errors import Conflict
from demixer.ports import SongDocument
from search.elastic.index import Change, SongsIndex, batches, change_of, tombstone_version, write

SECONDS = 60.0  # for one of its requests


class Rebuild:
    """One rebuild. When another one begins, this one ends with `Conflict`.

    Its index is created with an alias of its own, and all is written to that alias. So nothing is written, and no index
    created, after another rebuild has removed this one.
    """

    def __init__(self, client: Elasticsearch, songs: SongsIndex) -> None:
        self._client, self._songs = client.options(request_timeout=SECONDS), songs
        token = secrets.token_hex(8)
        self._index, self._alias = f"{songs.alias}-v-{token}", f"{songs.alias}-of-{token}"

    def run(self, documents: Iterable[SongDocument]) -> int:
        self._songs.create_if_missing()
        try:
            self._begin()
            self._fill(map(change_of, documents))
            self._fill(self._tombstones())
        except BaseException:
            self._clean_up()
            raise
        return self._swap()

    def _begin(self) -> None:
        self._songs.create(self._index, self._alias)
        in_use = self._in_use()
        still_in_use = [_add(index, self._songs.alias) for index in in_use]  # if not, the whole update is refused
        left_over = [{"remove_index": {"index": index}} for index in sorted(self._all() - in_use - {self._index})]
        self._update([*still_in_use, *left_over, _add(self._index, self._songs.next)])

    def _fill(self, changes: Iterable[Change]) -> None:
        for batch in batches(changes):
            if write(self._client, (self._alias,), batch, refresh=False).missing:
                raise _another_began()

    def _tombstones(self) -> Iterator[Change]:
        for batch in batches(self._known()):
            versions = dict(batch)
            for missing in self._missing(list(versions)):
                yield Change(missing, tombstone_version(versions[missing]))

    def _known(self) -> Iterator[tuple[str, int]]:
        """Ids and versions of all documents in the index in use. Changes since this rebuild began went to both."""
        found = helpers.scan(self._client, index=self._songs.alias, query={"version": True, "_source": False})
        return ((hit["_id"], hit["_version"]) for hit in found)

    def _missing(self, song_ids: Sequence[str]) -> list[str]:
        wanted = [{"_index": self._alias, "_id": song_id, "_source": False} for song_id in song_ids]
        answers: list[dict[str, Any]] = self._client.mget(docs=wanted)["docs"]
        return [each["_id"] for each in answers if not each.get("found")]

    def _swap(self) -> int:
        try:
            self._client.indices.refresh(index=self._alias)
            count = self._client.count(index=self._alias, query={"exists": {"field": "standing"}})["count"]
        except NotFoundError as error:
            raise _another_began() from error
        gone = [
            {"remove": {"index": self._index, "alias": one, "must_exist": True}}
            for one in (self._songs.next, self._alias)
        ]
        old = [{"remove_index": {"index": index}} for index in sorted(self._in_use())]
        self._update([*gone, *old, _add(self._index, self._songs.alias)])
        return int(count)

    def _update(self, actions: Sequence[dict[str, Any]]) -> None:
        """All actions or none. Raises `Conflict` where another rebuild has removed one of the indexes."""
        try:
            self._client.indices.update_aliases(actions=actions)
        except ApiError as error:
            if error.meta.status == 404 or error.message == "illegal_state_exception":
                raise _another_began() from error
            raise

    def _clean_up(self) -> None:
        """Not called after a failed swap: the server may have done it without answering."""
        with contextlib.suppress(ApiError, TransportError):
            self._client.indices.delete(index=self._index)

    def _all(self) -> set[str]:
        return set(self._client.indices.get(index=f"{self._songs.alias}-v-*"))

    def _in_use(self) -> set[str]:
        return set(self._client.indices.get_alias(name=self._songs.alias))


def _add(index: str, alias: str) -> dict[str, Any]:
    return {"add": {"index": index, "alias": alias, "is_write_index": True}}


def _another_began() -> Conflict:
    return Conflict(reason="another rebuild of the search index has begun")
