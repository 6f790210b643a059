"""The catalogue on SQLite, in one file: uploads, songs, separations, libraries, analyses, workers and the outbox."""

import json
import sqlite3
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from demixer.adapters.common.documents import from_document, to_text
from demixer.adapters.sqlite.database import Database
from demixer.adapters.sqlite.tables import AggregateTable, Table
from demixer.domain import (
    Analysis,
    Event,
    Separation,
    SeparationState,
    SeparationWorker,
    Song,
    Upload,
    UploadState,
)
from demixer.domain.folding import fold
from demixer.ports import Analyses, Libraries, Outbox, Separations, Songs, Uploads, Workers

SWEPT_AT_ONCE = 1000
FOLDED = ("artist", "album", "title")  # columns of songs: these tags, folded
FINGERPRINTS = ("fingerprint", "shifted_fingerprint")  # columns of analyses
LAST_CHARACTER = chr(sys.maxunicode)  # after every text that goes on

MIGRATIONS = (
    """
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL, person_id TEXT NOT NULL, song_id TEXT,
    state TEXT NOT NULL, hidden INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX uploads_of_person ON uploads (person_id, created_at) WHERE NOT hidden;
CREATE INDEX uploads_of_song ON uploads (song_id, created_at) WHERE song_id IS NOT NULL;
CREATE INDEX uploads_in_state ON uploads (state, updated_at);
CREATE TABLE songs (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL, fingerprint BLOB NOT NULL,
    plays INTEGER NOT NULL, sha256 TEXT NOT NULL, removed INTEGER NOT NULL, shown INTEGER NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX songs_by_file ON songs (sha256) WHERE NOT removed;
CREATE INDEX songs_newest ON songs (created_at, id) WHERE shown;
CREATE INDEX songs_most_played ON songs (plays, created_at, id) WHERE shown;
CREATE INDEX songs_by_id ON songs (id) WHERE shown;
CREATE TABLE song_files (sha256 TEXT PRIMARY KEY, song_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE separations (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL,
    song_id TEXT NOT NULL, state TEXT NOT NULL, requested_at TEXT NOT NULL
);
CREATE INDEX separations_of_song ON separations (song_id, requested_at);
CREATE INDEX separations_in_state ON separations (state, requested_at);
CREATE TABLE libraries (
    person_id TEXT NOT NULL, song_id TEXT NOT NULL, kept_at TEXT NOT NULL, PRIMARY KEY (person_id, song_id)
) WITHOUT ROWID;
CREATE INDEX libraries_newest ON libraries (person_id, kept_at);
CREATE TABLE outbox (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
""",
    """
ALTER TABLE songs ADD COLUMN artist TEXT NOT NULL DEFAULT '';
ALTER TABLE songs ADD COLUMN album TEXT NOT NULL DEFAULT '';
ALTER TABLE songs ADD COLUMN title TEXT NOT NULL DEFAULT '';
UPDATE songs SET
    artist = folded(body ->> '$.tags.artist'), album = folded(body ->> '$.tags.album'),
    title = folded(body ->> '$.tags.title');
CREATE INDEX songs_by_artist ON songs (artist) WHERE shown;
CREATE INDEX songs_by_album ON songs (album) WHERE shown;
CREATE INDEX songs_by_title ON songs (title) WHERE shown;
""",
    """
ALTER TABLE uploads ADD COLUMN waits_for TEXT;
UPDATE uploads SET waits_for = body ->> '$.waits_for' WHERE body ->> '$.waits_for' IS NOT NULL;
CREATE INDEX uploads_waiting ON uploads (waits_for, updated_at) WHERE waits_for IS NOT NULL;
CREATE TABLE analyses (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, fingerprint BLOB NOT NULL, shifted_fingerprint BLOB NOT NULL
);
CREATE TABLE workers (id TEXT PRIMARY KEY, body TEXT NOT NULL);
""",
)


class SqliteCatalogue:
    """`demixer.ports.Catalogue`."""

    def __init__(self, path: Path) -> None:
        self._database = open_database(path)
        songs = SqliteSongs(self._database)
        self.uploads: Uploads = SqliteUploads(self._database)
        self.songs: Songs = songs
        self.separations: Separations = SqliteSeparations(self._database)
        self.libraries: Libraries = SqliteLibraries(self._database, songs)
        self.analyses: Analyses = SqliteAnalyses(self._database)
        self.workers: Workers = SqliteWorkers(self._database)
        self.outbox: Outbox = SqliteOutbox(self._database)

    def close(self) -> None:
        self._database.close()


class SqliteUploads(AggregateTable[Upload]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "uploads", Upload, _upload_columns)

    def of_person(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Upload]:
        rest = "WHERE person_id = ? AND NOT hidden ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?"
        return self.select(rest, (person_id, limit, offset))

    def of_song(self, song_id: str) -> Sequence[Upload]:
        rest = "WHERE song_id = ? AND state <> ? ORDER BY created_at, rowid"
        return self.select(rest, (song_id, UploadState.CANCELLED))

    def waiting_for(self, key: str) -> Sequence[Upload]:
        found = self.select("WHERE waits_for = ? ORDER BY updated_at, rowid", (key,))
        return [upload for upload in found if upload.is_open]

    def in_state(self, states: Sequence[UploadState], *, updated_before: datetime) -> Sequence[Upload]:
        rest = f"WHERE state IN ({_placeholders(states)}) AND updated_at < ? ORDER BY updated_at, rowid LIMIT ?"
        return self.select(rest, (*states, to_text(updated_before), SWEPT_AT_ONCE))


class SqliteSongs(AggregateTable[Song]):
    ORDERS: Mapping[str, str] = {
        "newest": "created_at DESC, id DESC",
        "most-played": "plays DESC, created_at DESC, id DESC",
        "id": "id",
    }

    def __init__(self, database: Database) -> None:
        super().__init__(database, "songs", Song, _song_columns, apart=("fingerprint",), counted=("plays",))

    def by_file(self, sha256: str) -> Song | None:
        joined = self.linked_song(sha256)
        if joined is not None and not joined.is_removed:
            return joined
        found = self.select("WHERE sha256 = ? AND NOT removed ORDER BY created_at LIMIT 1", (sha256,))
        return found[0] if found else None

    def link_file(self, sha256: str, song_id: str) -> None:
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO song_files VALUES (?, ?)", (sha256, song_id))

    def linked_song(self, sha256: str) -> Song | None:
        found = self.select("JOIN song_files ON song_files.song_id = songs.id WHERE song_files.sha256 = ?", (sha256,))
        return found[0] if found else None

    def list_visible(self, *, order: str, limit: int, offset: int = 0, prefix: str = "") -> Sequence[Song]:
        which, bounds = self._begins(fold(prefix))
        rest = f"WHERE shown{which} ORDER BY {self.ORDERS[order]} LIMIT ? OFFSET ?"
        return self.select(rest, (*bounds, limit, offset))

    def count_play(self, song_id: str) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute("UPDATE songs SET plays = plays + 1 WHERE id = ?", (song_id,))

    def _begins(self, folded: str) -> tuple[str, Sequence[str]]:
        """One query a column, since SQLite reads the whole table rather than three indexes for one `OR`."""
        if not folded:
            return "", ()
        of_one = "SELECT rowid FROM songs WHERE shown AND {0} >= ? AND {0} < ?"
        found = " UNION ".join(of_one.format(name) for name in FOLDED)
        return f" AND songs.rowid IN ({found})", (folded, f"{folded}{LAST_CHARACTER}") * len(FOLDED)


class SqliteSeparations(AggregateTable[Separation]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "separations", Separation, _separation_columns)

    def of_song(self, song_id: str) -> Sequence[Separation]:
        return self.select("WHERE song_id = ? ORDER BY requested_at, rowid", (song_id,))

    def in_state(self, states: Sequence[SeparationState]) -> Sequence[Separation]:
        return self.select(f"WHERE state IN ({_placeholders(states)}) ORDER BY requested_at, rowid", states)

    def queue_position(self, separation: Separation) -> int:
        sql = (
            "SELECT count(*) + 1 AS position FROM separations JOIN (SELECT requested_at AS at, rowid AS nth"
            " FROM separations WHERE id = ?) WHERE state = ? AND (requested_at, separations.rowid) < (at, nth)"
        )
        row = self._database.row(sql, (separation.id, SeparationState.REQUESTED))
        return int(row["position"]) if row else 1

    def queue_positions(self, separation_ids: Collection[str]) -> Mapping[str, int]:
        sql = (
            "SELECT id, position FROM (SELECT id, row_number() OVER (ORDER BY requested_at, rowid) AS position"
            " FROM separations WHERE state = ?) WHERE id IN (SELECT value FROM json_each(?))"
        )
        rows = self._database.rows(sql, (SeparationState.REQUESTED, json.dumps(list(separation_ids))))
        return {row["id"]: row["position"] for row in rows}

    def queue_length(self) -> tuple[int, datetime | None]:
        sql = "SELECT count(*) AS many, min(requested_at) AS first FROM separations WHERE state = ?"
        row = self._database.row(sql, (SeparationState.REQUESTED,))
        return (row["many"], datetime.fromisoformat(row["first"])) if row and row["first"] else (0, None)


class SqliteLibraries:
    def __init__(self, database: Database, songs: SqliteSongs) -> None:
        self._database, self._songs = database, songs

    def add(self, person_id: str, song_id: str, at: datetime) -> None:
        """Adding again changes nothing: the song keeps its place."""
        with self._database.write() as connection:
            row = (person_id, song_id, to_text(at))
            connection.execute("INSERT INTO libraries VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)

    def remove(self, person_id: str, song_id: str) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM libraries WHERE person_id = ? AND song_id = ?", (person_id, song_id))

    def songs(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
        return self._songs.select(
            "JOIN libraries ON libraries.song_id = songs.id WHERE person_id = ? AND NOT removed"
            " ORDER BY kept_at DESC, songs.id LIMIT ? OFFSET ?",
            (person_id, limit, offset),
        )

    def contains(self, person_id: str, song_id: str) -> bool:
        sql = "SELECT 1 FROM libraries WHERE person_id = ? AND song_id = ?"
        return self._database.row(sql, (person_id, song_id)) is not None


class SqliteAnalyses(Table[Analysis]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "analyses", Analysis, _analysis_columns, apart=FINGERPRINTS)

    def save(self, analysis: Analysis) -> None:
        self.put([analysis])


class SqliteWorkers(Table[SeparationWorker]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "workers", SeparationWorker)

    def save(self, worker: SeparationWorker) -> None:
        """Not durable: after a power cut a worker says it again."""
        self.put([worker], durable=False)

    def all(self) -> Sequence[SeparationWorker]:
        return self.select("ORDER BY id")


class SqliteOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, limit: int = 100) -> Sequence[Event]:
        rows = self._database.rows("SELECT body FROM outbox ORDER BY place LIMIT ?", (limit,))
        return [_event(row) for row in rows]

    def mark_published(self, event_ids: Sequence[str]) -> None:
        """Not durable: after a power cut some may be published once more."""
        with self._database.write(durable=False) as connection:
            connection.executemany("DELETE FROM outbox WHERE id = ?", [(event_id,) for event_id in event_ids])


def open_database(path: Path) -> Database:
    return Database(path, MIGRATIONS, variable="CATALOGUE_URL", prepare=_prepare)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.create_function("folded", 1, lambda text: fold(text or ""), deterministic=True)


def _upload_columns(upload: Upload) -> Mapping[str, Any]:
    return {
        "person_id": upload.person_id,
        "song_id": upload.song_id,
        "state": upload.state,
        "hidden": upload.hidden,
        "waits_for": upload.waiting_for,
        "created_at": to_text(upload.created_at),
        "updated_at": to_text(upload.updated_at),
    }


def _song_columns(song: Song) -> Mapping[str, Any]:
    return {
        "fingerprint": song.fingerprint,
        "plays": song.plays,
        "sha256": song.sha256,
        "removed": song.is_removed,
        "shown": song.is_visible,
        "created_at": to_text(song.created_at),
        **{name: fold(getattr(song.tags, name)) for name in FOLDED},
    }


def _separation_columns(separation: Separation) -> Mapping[str, Any]:
    return {
        "song_id": separation.song_id,
        "state": separation.state,
        "requested_at": to_text(separation.requested_at),
    }


def _analysis_columns(analysis: Analysis) -> Mapping[str, Any]:
    return {name: getattr(analysis, name) for name in FINGERPRINTS}


def _event(row: sqlite3.Row) -> Event:
    return from_document(Event, json.loads(row["body"]))


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
