"""Tables of domain values: an id, columns for what is searched by, and the rest as JSON."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.sqlite.database import Database
from demixer.domain import Analysis, Event, Separation, SeparationWorker, Song, Upload
from demixer.domain.errors import Conflict

Stored = TypeVar("Stored", bound=Upload | Song | Separation | Analysis | SeparationWorker)
Aggregate = TypeVar("Aggregate", bound=Upload | Song | Separation)


class Table(Generic[Stored]):
    """`derived` gives the columns beside `id` and `body`. `apart` are fields kept in such a column instead of JSON."""

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Stored],
        derived: Callable[[Stored], Mapping[str, Any]] = lambda _: {},
        *,
        apart: Sequence[str] = (),
    ) -> None:
        self._database, self._name, self._apart = database, name, apart
        self.kind: type[Stored] = kind
        self._derived: Callable[[Stored], Mapping[str, Any]] = derived

    def get(self, key: str) -> Stored | None:
        found = self.select("WHERE id = ?", (key,))
        return found[0] if found else None

    def get_many(self, keys: Collection[str]) -> Mapping[str, Stored]:
        found = self.select("WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),))
        return {value.id: value for value in found}

    def select(self, rest: str, parameters: Any = ()) -> list[Stored]:
        """`rest` is the SQL that follows the table's name, made of our own constants."""
        sql = f"SELECT {self._name}.* FROM {self._name} {rest}"  # noqa: S608
        return [self._read(row) for row in self._database.rows(sql, parameters)]

    def after(self, key: str, limit: int) -> list[Stored]:
        return self.select("WHERE id > ? ORDER BY id LIMIT ?", (key, limit))

    def put(self, values: Sequence[Stored], *, durable: bool = True) -> None:
        """Replaces the values with the same ids."""
        with self._database.write(durable=durable) as connection:
            for value in values:
                columns = self._columns(value)
                connection.execute(f"INSERT OR REPLACE {self._into(columns)}", columns)

    def remove(self, keys: Sequence[str]) -> None:
        with self._database.write() as connection:
            sql = f"DELETE FROM {self._name} WHERE id = ?"  # noqa: S608 - our own name
            connection.executemany(sql, [(key,) for key in keys])

    def _columns(self, value: Stored) -> dict[str, Any]:
        body = {name: plain for name, plain in to_document(value).items() if name not in self._apart}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return {"id": value.id, "body": text, **self._derived(value)}

    def _into(self, columns: Mapping[str, Any]) -> str:
        values = ", ".join(f":{name}" for name in columns)
        return f"INTO {self._name} ({', '.join(columns)}) VALUES ({values})"

    def _read(self, row: sqlite3.Row) -> Stored:
        document = {**json.loads(row["body"]), **{name: row[name] for name in self._apart}}
        value: Stored = from_document(self.kind, document)
        return value


class AggregateTable(Table[Aggregate]):
    """A table whose rows have a version and change together with the outbox.

    `counted` are fields kept apart that only the first save writes: something else counts them up.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Aggregate],
        derived: Callable[[Aggregate], Mapping[str, Any]],
        *,
        apart: Sequence[str] = (),
        counted: Sequence[str] = (),
    ) -> None:
        super().__init__(database, name, kind, derived, apart=("version", *apart, *counted))
        self._counted = counted
        self._returning = f"RETURNING {', '.join(('version', *counted))}"

    def save(self, aggregate: Aggregate, events: Sequence[Event] = ()) -> Aggregate:
        """Compare and swap by version, together with the events. Raises `Conflict`, and then stores nothing."""
        columns = self._columns(replace(aggregate, version=aggregate.version + 1))
        if aggregate.version == 0:
            sql = f"INSERT {self._into(columns)} ON CONFLICT DO NOTHING {self._returning}"
        else:
            changes = ", ".join(f"{name} = :{name}" for name in columns if name not in ("id", *self._counted))
            where = f"WHERE id = :id AND version = :version - 1 {self._returning}"
            sql = f"UPDATE {self._name} SET {changes} {where}"  # noqa: S608 - our own names
        with self._database.write() as connection:
            stored = connection.execute(sql, columns).fetchall()
            if not stored:
                raise Conflict(id=aggregate.id, version=aggregate.version)
            put_into_outbox(connection, events)
        return replace(aggregate, **dict(stored[0]))

    def _columns(self, value: Aggregate) -> dict[str, Any]:
        return {"version": value.version, **super()._columns(value)}


def put_into_outbox(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """An event that already waits there keeps its place."""
    rows = [(event.id, json.dumps(to_document(event), ensure_ascii=False)) for event in events]
    connection.executemany("INSERT INTO outbox (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
