"""Rebuilds the index: new tables are filled in short transactions, and replace the old ones in one.

Meanwhile searches and changes use the old tables. The table `touched` notes which songs were changed; these are copied
to the new tables at the end. If the rebuild is killed, the old tables stay, and the next rebuild removes the new ones.
"""
# ruff: noqa: S608 - only our own table names are put into SQL

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from demixer.adapters.sqlite.database import Database
from demixer.domain.errors import Conflict
from demixer.ports import SongDocument
from search.sqlite.tables import NAMES, TABLES, Tables, document_of

FRESH = "fresh_"
BATCH = 1000  # songs a transaction: other writers wait for one

# `rebuild` has one row while a rebuild runs. `touched`: songs changed since it began.
BOOKKEEPING = """
CREATE TABLE rebuild (token TEXT NOT NULL);
CREATE TABLE touched (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def note_touched(connection: sqlite3.Connection, song_ids: Iterable[str]) -> None:
    sql = "INSERT OR IGNORE INTO touched SELECT ? WHERE EXISTS (SELECT 1 FROM rebuild)"
    connection.executemany(sql, [(song_id,) for song_id in song_ids])


class Rebuild:
    """One rebuild. When another one begins, this one ends with `Conflict`."""

    def __init__(self, database: Database) -> None:
        self._database, self._token = database, secrets.token_hex(8)

    def run(self, documents: Iterable[SongDocument]) -> int:
        self._begin()
        try:
            self._fill(documents)
            self._index()
            return self._swap()
        except BaseException:
            self._clean_up()
            raise

    def _begin(self) -> None:
        with self._database.write() as connection:
            _clear(connection)
            connection.execute("INSERT INTO rebuild VALUES(?)", (self._token,))
            for statement in TABLES.format(to=FRESH).split(";\n"):
                connection.execute(statement)

    def _fill(self, documents: Iterable[SongDocument]) -> None:
        numbered = enumerate(documents, start=1)
        while batch := list(islice(numbered, BATCH)):
            with self._database.write(durable=False) as connection:
                self._check_token(connection)
                Tables(connection, FRESH).add_songs(batch)

    def _index(self) -> None:
        known: set[str] = set()
        for batch in self._by_rowid():
            with self._database.write(durable=False) as connection:
                self._check_token(connection)
                Tables(connection, FRESH).add_texts(batch, known)
        with self._database.write(durable=False) as connection:
            self._check_token(connection)
            connection.execute(f"INSERT INTO {FRESH}texts({FRESH}texts) VALUES('optimize')")

    def _by_rowid(self) -> Iterator[Sequence[tuple[int, SongDocument]]]:
        last = 0
        sql = f"SELECT * FROM {FRESH}songs WHERE place > ? ORDER BY place LIMIT {BATCH}"
        while rows := self._database.rows(sql, (last,)):
            yield [(row["place"], document_of(row)) for row in rows]
            last = rows[-1]["place"]

    def _swap(self) -> int:
        with self._database.write() as connection:
            self._check_token(connection)
            _copy_touched(connection)
            for name in NAMES:
                connection.execute(f"DROP TABLE {name}")
                connection.execute(f"ALTER TABLE {FRESH}{name} RENAME TO {name}")
            connection.execute("DELETE FROM rebuild")
            connection.execute("DELETE FROM touched")
            return int(connection.execute("SELECT count(place) FROM songs").fetchone()[0])

    def _check_token(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT 1 FROM rebuild WHERE token=?", (self._token,)).fetchone() is None:
            raise Conflict(reason="another rebuild of the search index has begun")

    def _clean_up(self) -> None:
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM rebuild WHERE token=?", (self._token,)).fetchone():
                _clear(connection)


def _clear(connection: sqlite3.Connection) -> None:
    for name in NAMES:
        connection.execute(f"DROP TABLE IF EXISTS {FRESH}{name}")
    connection.execute("DELETE FROM rebuild")
    connection.execute("DELETE FROM touched")


def _copy_touched(connection: sqlite3.Connection) -> None:
    """To the new tables: songs that were changed since the rebuild began, and all tombstones."""
    fresh = Tables(connection, FRESH)
    touched = connection.execute("SELECT songs.* FROM songs JOIN touched USING (id)").fetchall()
    fresh.put([document_of(row) for row in touched if row["place"] is not None])
    fresh.write_tombstones([row["id"] for row in touched if row["place"] is None])
    connection.execute(
        f"INSERT INTO {FRESH}songs(id, revision) SELECT id, revision FROM songs WHERE true"
        f" ON CONFLICT (id) DO UPDATE SET revision=max(revision, excluded.revision) WHERE place IS NULL"
    )
