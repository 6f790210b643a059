"""The tables of the SQLite index, and every change to them.

`songs` holds the documents, and for removed songs a tombstone (`place` is null) with the last revision seen. `texts` is
the full-text index over folded words. `near` has the terms of all songs under their `search.queries.typo_keys`, for
words with a typo.

A song's `place` is its row id in `texts`. FTS5 gives matches in the order of row ids, and these are ordered by rank. So
hits that match equally well come in the order of their rank without sorting, and a search can stop at its first page.
"""
# ruff: noqa: S608 - only our own table names are put into SQL

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter

from demixer.ports import SongDocument
from search.documents import exact_phrases, rank
from search.queries import terms, typo_keys

# `search.queries` splits words; FTS5 only splits at spaces (and quotes). `detail=column` and `columnsize=0` leave out
# what only phrases and bm25 need. Without prefix indexes a query of one letter would read every word beginning with it.
TABLES = """
CREATE TABLE {to}songs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, place INTEGER UNIQUE,
    artist TEXT, album TEXT, title TEXT, year INTEGER, duration REAL, cover INTEGER, plays INTEGER
);
CREATE VIRTUAL TABLE {to}texts USING fts5(
    artist, title, album, whole, detail=column, columnsize=0, prefix='1 2 3',
    tokenize="ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_{{|}}~'"
);
CREATE TABLE {to}near (key TEXT, term TEXT, PRIMARY KEY (key, term)) WITHOUT ROWID;
"""
NAMES = ("songs", "texts", "near")

MAX_SONGS = 1 << 40
MAX_RANK = 1024  # more than any song has, so that row ids are positive


def rowid_of(number: int, document: SongDocument) -> int:
    """In `texts`. Smaller for a higher rank; for the same rank, smaller for the song that was indexed first."""
    return (MAX_RANK - rank(document)) * MAX_SONGS + number


class Tables:
    """One set of tables, by the prefix of their names, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, prefix: str = "") -> None:
        self._connection, self._to = connection, prefix

    def put(self, documents: Iterable[SongDocument]) -> None:
        """Add or replace, unless a newer revision is known, or the song was removed at this revision or later."""
        latest: dict[str, SongDocument] = {}
        for document in sorted(documents, key=attrgetter("revision")):
            latest[document.id] = document
        self.replace([document for document in latest.values() if self._is_newer(document)])

    def replace(self, documents: Sequence[SongDocument]) -> None:
        """Add or replace, whatever the revision. Ids must differ."""
        removed = self._delete_texts([document.id for document in documents])
        self.add_texts(sorted((self._store(document), document) for document in documents))
        self._delete_unused_terms(removed)

    def write_tombstones(self, song_ids: Sequence[str]) -> None:
        """Remove the songs, and keep the last revisions seen. Unknown ids are ignored."""
        removed = self._delete_texts(song_ids)
        cleared = "place=NULL, artist=NULL, album=NULL, title=NULL, year=NULL, duration=NULL, cover=NULL, plays=NULL"
        self._connection.executemany(f"UPDATE {self._to}songs SET {cleared} WHERE id=?", _each(song_ids))
        self._delete_unused_terms(removed)

    def add_texts(self, by_rowid: Sequence[tuple[int, SongDocument]], known: set[str] | None = None) -> None:
        """Index documents that `songs` has, in the order of row ids: FTS5 writes to disk when an id is smaller.

        `known`: terms that are in `near`. Those that are added are put into it.
        """
        rows = [(rowid, *_columns(document)) for rowid, document in by_rowid]
        self._connection.executemany(
            f"INSERT INTO {self._to}texts(rowid, artist, title, album, whole) VALUES(?,?,?,?,?)", rows
        )
        found = {term for _, *columns in rows for text in columns[:3] for term in text.split()}
        self._add_terms(found - (known or set()))
        if known is not None:
            known |= found

    def add_songs(self, numbered: Iterable[tuple[int, SongDocument]]) -> None:
        """Only the documents, under these numbers; `add_texts` has to follow."""
        rows = [_row(number, document) for number, document in numbered]
        self._connection.executemany(f"INSERT OR REPLACE INTO {self._to}songs VALUES(?,?,?,?,?,?,?,?,?,?,?)", rows)

    def _is_newer(self, document: SongDocument) -> bool:
        row = self._song(document.id)
        if row is None:
            return True
        return document.revision > row["revision"] or (
            document.revision == row["revision"] and row["place"] is not None
        )

    def _song(self, song_id: str) -> sqlite3.Row | None:
        sql = f"SELECT number, revision, place FROM {self._to}songs WHERE id=?"
        row: sqlite3.Row | None = self._connection.execute(sql, (song_id,)).fetchone()
        return row

    def _store(self, document: SongDocument) -> int:
        """Returns its row id."""
        row = self._song(document.id)
        next_number = f"SELECT coalesce(max(number), 0) + 1 FROM {self._to}songs"
        number = row["number"] if row else int(self._connection.execute(next_number).fetchone()[0])
        self.add_songs([(number, document)])
        return rowid_of(number, document)

    def _delete_texts(self, song_ids: Sequence[str]) -> set[str]:
        """Returns their terms, which other songs may have too."""
        songs = [row for song_id in song_ids if (row := self._song(song_id)) and row["place"] is not None]
        rowids = _each(row["place"] for row in songs)
        removed: set[str] = set()
        for rowid in rowids:
            sql = f"SELECT artist, title, album FROM {self._to}texts WHERE rowid=?"
            columns = self._connection.execute(sql, rowid).fetchone()
            removed.update(term for text in columns for term in text.split())
        self._connection.executemany(f"DELETE FROM {self._to}texts WHERE rowid=?", rowids)
        return removed

    def _add_terms(self, found: Iterable[str]) -> None:
        rows = sorted((key, term) for term in found for key in typo_keys(term))
        self._connection.executemany(f"INSERT OR IGNORE INTO {self._to}near VALUES(?,?)", rows)

    def _delete_unused_terms(self, candidates: Iterable[str]) -> None:
        used = f"SELECT 1 FROM {self._to}texts WHERE {self._to}texts MATCH ? LIMIT 1"
        unused = [term for term in candidates if self._connection.execute(used, (quoted(term),)).fetchone() is None]
        rows = [(key, term) for term in unused for key in typo_keys(term)]
        self._connection.executemany(f"DELETE FROM {self._to}near WHERE key=? AND term=?", rows)


def quoted(term: str) -> str:
    """As a string literal of FTS5's query language."""
    return '"' + term.replace('"', '""') + '"'


def document_of(row: sqlite3.Row) -> SongDocument:
    texts = {name: row[name] for name in ("id", "artist", "album", "title")}
    numbers = {name: row[name] for name in ("year", "duration", "plays", "revision")}
    return SongDocument(**texts, **numbers, cover=bool(row["cover"]))


def _row(number: int, document: SongDocument) -> tuple[object, ...]:
    keys = (number, document.id, document.revision, rowid_of(number, document))
    texts = (document.artist, document.album, document.title)
    return (*keys, *texts, document.year, document.duration, document.cover, document.plays)


def _columns(document: SongDocument) -> tuple[str, str, str, str]:
    return (_words(document.artist), _words(document.title), _words(document.album), " ".join(exact_phrases(document)))


def _words(text: str) -> str:
    return " ".join(terms(text))


def _each(values: Iterable[object]) -> list[tuple[object]]:
    return [(value,) for value in values]
