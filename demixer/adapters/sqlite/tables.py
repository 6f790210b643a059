"""Tables of aggregates: an id, a version, columns for what is searched by, and the rest as JSON."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.sqlite.database import Database
from demixer.domain import Event, Separation, Song, Upload
from demixer.domain.errors import Conflict

Aggregate = TypeVar("Aggregate", Upload, Song, Separation)


class Table(Generic[Aggregate]):
    """`indexed` gives the columns that are searched by, and those of `apart`: fields kept in a column instead of JSON.

    `counted` are fields kept apart that only the first save writes: something else counts them up.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Aggregate],
        indexed: Callable[[Aggregate], Mapping[str, Any]],
        *,
        apart: Sequence[str] = (),
        counted: Sequence[str] = (),
    ) -> None:
        self._database, self._name = database, name
        self._kind: type[Aggregate] = kind
        self._indexed: Callable[[Aggregate], Mapping[str, Any]] = indexed
        self._apart, self._counted = ("version", *apart, *counted), counted
        self._returning = f"RETURNING {', '.join(('version', *counted))}"

    def get(self, key: str) -> Aggregate | None:
        found = self.select("WHERE id = ?", (key,))
        return found[0] if found else None

    def select(self, rest: str, parameters: Any = ()) -> list[Aggregate]:
        """`rest` is the SQL that follows the table's name, made of our own constants."""
        sql = f"SELECT {self._name}.* FROM {self._name} {rest}"  # noqa: S608
        return [self._read(row) for row in self._database.rows(sql, parameters)]

    def save(self, aggregate: Aggregate, events: Sequence[Event]) -> Aggregate:
        """Compare and swap by version, together with the events. Raises `Conflict`, and then stores nothing."""
        store = self._insert if aggregate.version == 0 else self._replace
        with self._database.write() as connection:
            stored = store(connection, aggregate)
            if not stored:
                raise Conflict(id=aggregate.id, version=aggregate.version)
            put_into_outbox(connection, events)
        return replace(aggregate, **dict(stored[0]))

    def put(self, aggregates: Sequence[Aggregate]) -> None:
        """As they are, with their versions and counts, in the place of whatever is there."""
        with self._database.write() as connection:
            for aggregate in aggregates:
                columns = self._columns(replace(aggregate, version=aggregate.version - 1))
                values = ", ".join(f":{name}" for name in columns)
                sql = f"INSERT OR REPLACE INTO {self._name} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608
                connection.execute(sql, columns)

    def _insert(self, connection: sqlite3.Connection, aggregate: Aggregate) -> list[sqlite3.Row]:
        columns = self._columns(aggregate)
        values = ", ".join(f":{name}" for name in columns)
        sql = f"INSERT INTO {self._name} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
        return connection.execute(f"{sql} {self._returning}", columns).fetchall()

    def _replace(self, connection: sqlite3.Connection, aggregate: Aggregate) -> list[sqlite3.Row]:
        columns = self._columns(aggregate)
        changes = ", ".join(f"{name} = :{name}" for name in columns if name not in ("id", *self._counted))
        sql = f"UPDATE {self._name} SET {changes} WHERE id = :id AND version = :version - 1"  # noqa: S608
        return connection.execute(f"{sql} {self._returning}", columns).fetchall()

    def _columns(self, aggregate: Aggregate) -> dict[str, Any]:
        body = {name: value for name, value in to_document(aggregate).items() if name not in self._apart}
        return {
            "id": aggregate.id,
            "version": aggregate.version + 1,
            "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            **self._indexed(aggregate),
        }

    def _read(self, row: sqlite3.Row) -> Aggregate:
        document = {**json.loads(row["body"]), **{name: row[name] for name in self._apart}}
        aggregate: Aggregate = from_document(self._kind, document)
        return aggregate


def put_into_outbox(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """An event that already waits there keeps its place."""
    rows = [(event.id, json.dumps(to_document(event), ensure_ascii=False)) for event in events]
    connection.executemany("INSERT INTO outbox (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
