"""`demixer.ports.table_export.TableExport` of the catalogue and of the accounts on SQLite."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demixer.adapters.common.paged_tables import PAGE, DocumentTable, PagedTableExport
from demixer.adapters.sqlite import accounts as sqlite_accounts
from demixer.adapters.sqlite.catalogue import (
    SqliteAnalyses,
    SqliteSeparations,
    SqliteSongs,
    SqliteUploads,
    open_database,
)
from demixer.adapters.sqlite.database import Database
from demixer.ports.table_export import ACCOUNTS, CATALOGUE, Row


def catalogue(path: Path) -> PagedTableExport:
    database = open_database(path)
    documents = {
        "uploads": DocumentTable(SqliteUploads(database)),
        "songs": DocumentTable(SqliteSongs(database)),
        "separations": DocumentTable(SqliteSeparations(database)),
        "analyses": DocumentTable(SqliteAnalyses(database)),
    }
    plain = {name: PlainTable(database, name, CATALOGUE[name]) for name in ("song_files", "libraries")}
    return PagedTableExport(CATALOGUE, {**documents, **plain}, database.close)


def accounts(path: Path) -> PagedTableExport:
    database = Database(path, sqlite_accounts.MIGRATIONS, variable="ACCOUNTS_URL")
    tables = {name: PlainTable(database, name, key) for name, key in ACCOUNTS.items()}
    return PagedTableExport(ACCOUNTS, tables, database.close)


class PlainTable:
    """A table whose columns are the fields. Hashes are bytes there and hexadecimal in a row, which sorts alike."""

    def __init__(self, database: Database, name: str, key: Sequence[str]) -> None:
        self._database, self._name, self._key = database, name, key

    def page(self, after: Row | None) -> Sequence[Row]:
        names, values = ", ".join(self._key), ", ".join("?" * len(self._key))
        beyond = f"WHERE ({names}) > ({values})" if after else ""
        sql = f"SELECT * FROM {self._name} {beyond} ORDER BY {names} LIMIT {PAGE}"  # noqa: S608 - our own names
        return [_row(found) for found in self._database.rows(sql, self._key_of(after) if after else ())]

    def put(self, rows: Sequence[Row]) -> None:
        with self._database.write() as connection:
            for row in rows:
                values = ", ".join(f":{name}" for name in row)
                sql = f"INSERT OR REPLACE INTO {self._name} ({', '.join(row)}) VALUES ({values})"  # noqa: S608
                connection.execute(sql, {name: _stored(name, value) for name, value in row.items()})

    def remove(self, rows: Sequence[Row]) -> None:
        where = " AND ".join(f"{name} = ?" for name in self._key)
        sql = f"DELETE FROM {self._name} WHERE {where}"  # noqa: S608 - our own names
        with self._database.write() as connection:
            connection.executemany(sql, [self._key_of(row) for row in rows])

    def _key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(_stored(name, row[name]) for name in self._key)


def _row(found: sqlite3.Row) -> Row:
    return {name: found[name].hex() if name == "hash" else found[name] for name in found.keys()}  # noqa: SIM118


def _stored(name: str, value: Any) -> Any:
    return bytes.fromhex(value) if name == "hash" else value
