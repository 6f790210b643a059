"""The bare calls of the drivers that `benchmarks.operations` compares with: finished documents in, their own out.

`sample` is an upload as ours stored it, with an event that waits; theirs are the same under other ids.
"""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from demixer.adapters.mongo.outbox import _longest_waiting
from demixer.ports import SongDocument
from search.elastic import queries
from search.elastic.client import client_and_prefix
from search.elastic.index import body_of
from search.elastic.search_index import COUNTED
from search.queries import words

Calls = Mapping[str, Callable[[int], object]]  # each is called with 0, 1, 2, ...

LOOK, INSERT, GET, CHANGE = "look at an empty outbox", "save a new upload", "get an upload", "save a changed upload"
WAITING = ("outbox", "waiting_since")
COLUMNS = ("version", "body", "person_id", "song_id", "state", "hidden", "created_at", "updated_at")
INSERTED = f"INSERT INTO uploads (id, {', '.join(COLUMNS)}) VALUES (:id, {', '.join(f':{name}' for name in COLUMNS)})"
CHANGED = f"UPDATE uploads SET {', '.join(f'{name} = :{name}' for name in COLUMNS)} WHERE id = :id AND version = 1"
INSERT_EVENT = "INSERT INTO outbox (id, body) VALUES (:event, :body)"


def in_mongodb(database: Any, sample: Mapping[str, Any]) -> Calls:
    uploads = database["uploads"]
    fields = {name: value for name, value in sample.items() if name not in ("_id", *WAITING)}
    more = {"$push": {"outbox": {"$each": sample["outbox"]}}, "$min": {"waiting_since": sample["waiting_since"]}}
    changes = {"$set": {**fields, "version": 2}, **more}
    return {
        LOOK: lambda number: list(uploads.aggregate(_longest_waiting(100))),
        INSERT: lambda number: uploads.insert_one({**sample, "_id": f"bare-{number}"}),
        GET: lambda number: list(uploads.find({"_id": f"bare-{number}"})),
        CHANGE: lambda number: uploads.update_one({"_id": f"bare-{number}", "version": 1}, changes),
    }


class Sqlite:
    """One connection; immediate transactions that survive a power cut, as ours."""

    def __init__(self, path: Path, sample: Mapping[str, Any]) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._sample = sample

    def calls(self) -> Calls:
        return {
            LOOK: lambda number: self._rows("SELECT body FROM outbox ORDER BY place LIMIT 100"),
            INSERT: lambda number: self._write(INSERTED, number, version=1),
            GET: lambda number: self._rows("SELECT * FROM uploads WHERE id = ?", f"bare-{number}"),
            CHANGE: lambda number: self._write(CHANGED, number, version=2),
        }

    def close(self) -> None:
        self._connection.close()

    def _rows(self, sql: str, *parameters: str) -> object:
        return self._connection.execute(sql, parameters).fetchall()

    def _write(self, sql: str, number: int, version: int) -> None:
        row = {**self._sample, "id": f"bare-{number}", "version": version, "event": f"{number} {version}"}
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(sql, row)
        self._connection.execute(INSERT_EVENT, row)
        self._connection.execute("COMMIT")


class Elastic:
    """On the index of ours."""

    def __init__(self, url: str) -> None:
        self._client, prefix = client_and_prefix(url)
        self._index = f"{prefix}-songs"

    def exact(self, query: str, *, limit: int) -> object:
        return self._search(queries.exact(words(query)), limit)

    def forgiving(self, query: str, *, limit: int) -> object:
        return self._search(queries.forgiving(words(query)), limit)

    def put(self, document: SongDocument) -> object:
        """Found at once, and nothing older replaces it."""
        version = 2 * document.revision
        body = body_of(document)
        return self._client.index(
            index=self._index, id=document.id, document=body, version=version, version_type="external_gte", refresh=True
        )

    def close(self) -> None:
        self._client.close()

    def _search(self, query: queries.Query, limit: int) -> object:
        return self._client.search(
            index=self._index,
            query=query,
            sort=queries.ORDER,
            size=limit,
            track_total_hits=COUNTED,
            source_excludes=["whole", "names", "terms", "heads"],
        )
