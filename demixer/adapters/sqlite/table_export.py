"""`demixer.ports.table_export.TableExport` of the catalogue and of the accounts on SQLite."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.common.paged_tables import PAGE, Shelf, ShelfDump
from demixer.adapters.sqlite import accounts as sqlite_accounts
from demixer.adapters.sqlite import catalogue as sqlite_catalogue
from demixer.adapters.sqlite.database import Database
from demixer.adapters.sqlite.tables import Table
from demixer.domain import Separation, Song, Upload
from demixer.ports.table_export import ACCOUNTS, CATALOGUE, Row

Aggregate = TypeVar("Aggregate", Upload, Song, Separation)


def catalogue(path: Path) -> ShelfDump:
    database = sqlite_catalogue.open_database(path)
    plain = {name: Plain(database, name, CATALOGUE[name]) for name in ("song_files", "libraries")}
    aggregates: dict[str, Shelf] = {
        "uploads": Aggregates(database, "uploads", Upload, sqlite_catalogue.uploads_table(database)),
        "songs": Aggregates(database, "songs", Song, sqlite_catalogue.songs_table(database)),
        "separations": Aggregates(database, "separations", Separation, sqlite_catalogue.separations_table(database)),
    }
    return ShelfDump(CATALOGUE, {**plain, **aggregates}, database.close)


def accounts(path: Path) -> ShelfDump:
    database = Database(path, sqlite_accounts.MIGRATIONS, variable="ACCOUNTS_URL")
    return ShelfDump(ACCOUNTS, {name: Plain(database, name, key) for name, key in ACCOUNTS.items()}, database.close)


class Aggregates(Generic[Aggregate]):
    """A table of uploads, songs or separations: what its `Table` knows to read and write."""

    def __init__(self, database: Database, name: str, kind: type[Aggregate], table: Table[Aggregate]) -> None:
        self._database, self._name = database, name
        self._kind: type[Aggregate] = kind
        self._table: Table[Aggregate] = table

    def page(self, after: Row | None) -> Sequence[Row]:
        found = self._table.select("WHERE id > ? ORDER BY id LIMIT ?", (after["id"] if after else "", PAGE))
        return [to_document(aggregate) for aggregate in found]

    def put(self, rows: Sequence[Row]) -> None:
        self._table.put([from_document(self._kind, row) for row in rows])

    def remove(self, rows: Sequence[Row]) -> None:
        _delete(self._database, self._name, ["id"], [(row["id"],) for row in rows])


class Plain:
    """A table whose columns are the fields. Hashes are bytes there and hexadecimal in a row, which sorts alike."""

    def __init__(self, database: Database, name: str, key: Sequence[str]) -> None:
        self._database, self._name, self._key = database, name, key

    def page(self, after: Row | None) -> Sequence[Row]:
        names, marks = ", ".join(self._key), ", ".join("?" * len(self._key))
        beyond = f"WHERE ({names}) > ({marks})" if after else ""
        sql = f"SELECT * FROM {self._name} {beyond} ORDER BY {names} LIMIT {PAGE}"  # noqa: S608 - our own names
        return [_row(found) for found in self._database.rows(sql, self._key_of(after) if after else ())]

    def put(self, rows: Sequence[Row]) -> None:
        with self._database.write() as connection:
            for row in rows:
                values = ", ".join(f":{name}" for name in row)
                sql = f"INSERT OR REPLACE INTO {self._name} ({', '.join(row)}) VALUES ({values})"  # noqa: S608
                connection.execute(sql, {name: _stored(name, value) for name, value in row.items()})

    def remove(self, rows: Sequence[Row]) -> None:
        _delete(self._database, self._name, self._key, [self._key_of(row) for row in rows])

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(_stored(name, row[name]) for name in self._key)


def _delete(database: Database, table: str, key: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> None:
    where = " AND ".join(f"{name} = ?" for name in key)
    with database.write() as connection:
        connection.executemany(f"DELETE FROM {table} WHERE {where}", keys)  # noqa: S608 - our own names


def _row(found: sqlite3.Row) -> Row:
    return {name: found[name].hex() if name == "hash" else found[name] for name in found.keys()}  # noqa: SIM118


def _stored(name: str, value: Any) -> Any:
    return bytes.fromhex(value) if name == "hash" else value
