"""The tables of the SQLite index, and every change to them.

`songs` holds the documents, and for removed songs a tombstone (`place` is null) with the last revision seen. `texts` is
the full-text index over folded words. `near` keeps the terms that songs contain under the keys of
`search.queries.neighbourhood`, for words with a typo.

A song's `place` is its row in `texts`. FTS5 gives matches in the order of rows, so the order of places is the order of
hits of the same kind, for nothing, and a search can stop at the first page: the most played first, then the shortest.
"""
# ruff: noqa: S608 - only our own table names are put into SQL

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter

from demixer.ports import SongDocument
from search.documents import standing, wholes
from search.queries import neighbourhood, terms

# Words are cut in `search.queries`; FTS5 only splits at spaces (and quotes). `detail=column` and `columnsize=0` leave
# out what only phrases and bm25 need. Without prefix indexes one letter would collect every word that begins with it.
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

NUMBERS = 1 << 40  # songs there can be; above it, the standing
STANDING = 1024  # more than the best song can have, so that places are positive


def place_of(number: int, document: SongDocument) -> int:
    """Smaller is better. Within the same standing, who came first."""
    return (STANDING - standing(document)) * NUMBERS + number


class Tables:
    """One set of tables, by the prefix of their names, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, prefix: str = "") -> None:
        self._connection, self._to = connection, prefix

    def put(self, documents: Iterable[SongDocument]) -> None:
        """Add or replace, but where a newer revision is known, or the song was removed at this revision or later."""
        latest: dict[str, SongDocument] = {}
        for document in sorted(documents, key=attrgetter("revision")):
            latest[document.id] = document
        self.replace([document for document in latest.values() if self._is_news(document)])

    def replace(self, documents: Sequence[SongDocument]) -> None:
        """Add or replace, whatever the revision. Ids must differ."""
        gone = self._forget_texts([document.id for document in documents])
        placed = sorted((self._store(document), document) for document in documents)
        self.add_texts(placed)
        self._forget_terms(gone)

    def bury(self, song_ids: Sequence[str]) -> None:
        """Remove, and keep the last revision seen. Unknown ids are ignored."""
        gone = self._forget_texts(song_ids)
        cleared = "place=NULL, artist=NULL, album=NULL, title=NULL, year=NULL, duration=NULL, cover=NULL, plays=NULL"
        self._connection.executemany(f"UPDATE {self._to}songs SET {cleared} WHERE id=?", _each(song_ids))
        self._forget_terms(gone)

    def add_texts(self, placed: Sequence[tuple[int, SongDocument]], known: set[str] | None = None) -> None:
        """Index what `songs` already holds, in the order of places: FTS5 writes out at each step back.

        `known` are terms that need not be added; those added are put there.
        """
        rows = [(place, *_columns(document)) for place, document in placed]
        self._connection.executemany(
            f"INSERT INTO {self._to}texts(rowid, artist, title, album, whole) VALUES(?,?,?,?,?)", rows
        )
        found = {term for _, *columns in rows for text in columns[:3] for term in text.split()}
        self._add_terms(found - (known or set()))
        if known is not None:
            known |= found

    def add_songs(self, numbered: Iterable[tuple[int, SongDocument]]) -> None:
        """Only the documents, under these numbers; the texts follow. For `search.sqlite.rebuild`."""
        rows = [_row(number, document) for number, document in numbered]
        self._connection.executemany(f"INSERT OR REPLACE INTO {self._to}songs VALUES(?,?,?,?,?,?,?,?,?,?,?)", rows)

    def _is_news(self, document: SongDocument) -> bool:
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
        row = self._song(document.id)
        number = row["number"] if row else self._next_number()
        self.add_songs([(number, document)])
        return place_of(number, document)

    def _next_number(self) -> int:
        row = self._connection.execute(f"SELECT coalesce(max(number), 0) + 1 FROM {self._to}songs").fetchone()
        return int(row[0])

    def _forget_texts(self, song_ids: Sequence[str]) -> set[str]:
        """Returns the terms that may have gone with them."""
        places = [_each([row["place"]])[0] for one in song_ids if (row := self._song(one)) and row["place"] is not None]
        gone: set[str] = set()
        for place in places:
            columns = self._connection.execute(
                f"SELECT artist, title, album FROM {self._to}texts WHERE rowid=?", place
            ).fetchone()
            gone.update(term for text in columns for term in text.split())
        self._connection.executemany(f"DELETE FROM {self._to}texts WHERE rowid=?", places)
        return gone

    def _add_terms(self, found: Iterable[str]) -> None:
        rows = sorted((key, term) for term in found for key in neighbourhood(term))
        self._connection.executemany(f"INSERT OR IGNORE INTO {self._to}near VALUES(?,?)", rows)

    def _forget_terms(self, gone: Iterable[str]) -> None:
        used = f"SELECT 1 FROM {self._to}texts WHERE {self._to}texts MATCH ? LIMIT 1"
        unused = [term for term in gone if self._connection.execute(used, (quoted(term),)).fetchone() is None]
        rows = [(key, term) for term in unused for key in neighbourhood(term)]
        self._connection.executemany(f"DELETE FROM {self._to}near WHERE key=? AND term=?", rows)


def quoted(term: str) -> str:
    """As a string of FTS5's query language, in which nothing has a meaning."""
    return '"' + term.replace('"', '""') + '"'


def document_of(row: sqlite3.Row) -> SongDocument:
    texts = {name: row[name] for name in ("id", "artist", "album", "title")}
    numbers = {name: row[name] for name in ("year", "duration", "plays", "revision")}
    return SongDocument(**texts, **numbers, cover=bool(row["cover"]))


def _row(number: int, document: SongDocument) -> tuple[object, ...]:
    head = (number, document.id, document.revision, place_of(number, document))
    texts = (document.artist, document.album, document.title)
    return (*head, *texts, document.year, document.duration, document.cover, document.plays)


def _columns(document: SongDocument) -> tuple[str, str, str, str]:
    return (_words(document.artist), _words(document.title), _words(document.album), " ".join(wholes(document)))


def _words(text: str) -> str:
    return " ".join(terms(text))


def _each(values: Iterable[object]) -> list[tuple[object]]:
    return [(value,) for value in values]
