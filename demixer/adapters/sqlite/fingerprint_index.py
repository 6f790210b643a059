"""The fingerprint index on SQLite: an inverted index of content-sampled keys, in buckets of postings.

Measured beside a million songs: docs/decisions/0019-fingerprint-index.md.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from demixer.adapters.common.hit_counts import KeyHashes, key_hashes_of, ranked
from demixer.adapters.sqlite import postings
from demixer.adapters.sqlite.database import Database
from demixer.adapters.sqlite.fingerprint_bulk_load import BulkLoad
from demixer.domain.errors import DemixerError, Transient
from demixer.recognition.fingerprint import hash_items

MIGRATIONS = (
    """
CREATE TABLE songs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, keys BLOB NOT NULL);
CREATE TABLE postings (key INTEGER NOT NULL, song INTEGER NOT NULL, PRIMARY KEY (key, song)) WITHOUT ROWID;
""",
    """
ALTER TABLE songs RENAME TO old_songs;
DROP TABLE postings;
CREATE TABLE songs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, buckets BLOB NOT NULL);
CREATE TABLE buckets (bucket INTEGER PRIMARY KEY, postings BLOB NOT NULL);
CREATE TABLE rebuilds (count INTEGER NOT NULL);
INSERT INTO rebuilds VALUES (0);
""",  # `old_songs` is converted when the index is opened
)

OLD_SONGS = "SELECT 1 FROM sqlite_master WHERE name = 'old_songs'"
MAPPED_BYTES = 0x7FFF0000  # the most that SQLite maps: a look-up of hundreds of pages takes a third less
CHECKPOINT_PAGES = 8_000  # 32 MB of write-ahead log before a checkpoint: one new song in 60 waits for that


class SqliteFingerprints:
    """`demixer.ports.FingerprintIndex`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS, variable="CATALOGUE_URL", prepare=_prepare)
        if self._database.rows(OLD_SONGS):
            self._convert_old_songs()

    def add(self, song_id: str, fingerprint: bytes) -> None:
        unnumbered = postings.postings_of(key_hashes_of(fingerprint))
        with self._database.write() as connection:
            _remove(connection, song_id)
            _add(connection, song_id, unnumbered)

    def candidates(self, fingerprints: Sequence[bytes], *, limit: int = 50) -> Sequence[str]:
        variants = [key_hashes_of(fingerprint) for fingerprint in fingerprints]
        hashes = np.concatenate([np.zeros(0, dtype=np.uint32), *variants])
        if not len(hashes):
            return []
        with self._database.snapshot() as connection:
            counter = postings.HitCounter(hashes, _rows(connection, postings.buckets_of(hashes)))
            return _ids(connection, ranked([counter.hits(variant, limit) for variant in variants], limit))

    def remove(self, song_id: str) -> None:
        with self._database.write() as connection:
            _remove(connection, song_id)

    def rebuild(self, entries: Iterable[tuple[str, bytes]]) -> int:
        return self.load((song_id, key_hashes_of(fingerprint)) for song_id, fingerprint in entries)

    def load(self, songs: Iterable[tuple[str, KeyHashes]]) -> int:
        """`rebuild` by key hashes. Writers wait for its last part: 30 to 50 s for a million songs."""
        (before,) = self._database.rows("SELECT count, (SELECT max(seq) FROM sqlite_sequence) AS last FROM rebuilds")
        with closing(BulkLoad(self._database.path.parent)) as load:
            load.add(songs)
            with self._database.write() as connection:
                _claim(connection, before["count"])
                added_since = _added_since(connection, before["last"] or 0)
                _clear(connection)
                load.write(connection)
                for song_id, unnumbered in added_since:
                    _remove(connection, song_id)
                    _add(connection, song_id, unnumbered)
        with self._database.read() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return load.count

    def close(self) -> None:
        self._database.close()

    def _convert_old_songs(self) -> None:
        """The songs of the first version of the schema. Where a process is killed meanwhile, the next one does it."""
        with closing(BulkLoad(self._database.path.parent)) as load, self._database.write() as connection:
            if connection.execute(OLD_SONGS).fetchone():
                old = connection.execute("SELECT id, keys FROM old_songs ORDER BY number")
                load.add((row["id"], hash_items(np.frombuffer(row["keys"], "<u4")) >> np.uint32(4)) for row in old)
                load.write(connection)
                connection.execute("DROP TABLE old_songs")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
    connection.execute("PRAGMA secure_delete=OFF")  # what is replaced need not be written over


def _rows(connection: sqlite3.Connection, buckets: Sequence[int]) -> list[tuple[int, bytes]]:
    sql = "SELECT bucket, postings FROM buckets WHERE bucket IN (SELECT value FROM json_each(?))"
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: a look-up reads hundreds
    return cursor.execute(sql, (json.dumps(buckets),)).fetchall()


def _ids(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[str]:
    sql = "SELECT number, id FROM songs WHERE number IN (SELECT value FROM json_each(?))"
    ids: dict[int, str] = {row[0]: row[1] for row in connection.execute(sql, (json.dumps(numbers),))}
    return [ids[number] for number in numbers if number in ids]


def _add(connection: sqlite3.Connection, song_id: str, unnumbered: postings.Postings) -> None:
    """Add a song that is not there. Its postings come with song number 0."""
    blob = postings.pack_buckets(unnumbered)
    number = connection.execute("INSERT INTO songs (id, buckets) VALUES (?, ?)", (song_id, blob)).lastrowid
    if number is None or number >= postings.MAX_SONGS:
        raise DemixerError(reason="the fingerprint index has given all its numbers away; it has to be rebuilt")
    wanted = [postings.split(one | number) for one in unnumbered.tolist()]
    buckets = dict(_rows(connection, sorted({bucket for bucket, _ in wanted})))
    for bucket, stored in wanted:
        buckets[bucket] = postings.with_posting(buckets.get(bucket, b""), stored)
    connection.executemany("INSERT OR REPLACE INTO buckets VALUES (?, ?)", buckets.items())


def _remove(connection: sqlite3.Connection, song_id: str) -> None:
    row = connection.execute("SELECT number, buckets FROM songs WHERE id = ?", (song_id,)).fetchone()
    if row:
        rows = _rows(connection, postings.unpack_buckets(row["buckets"]))
        kept = [(postings.without_song(blob, row["number"]), bucket) for bucket, blob in rows]
        connection.executemany("UPDATE buckets SET postings = ? WHERE bucket = ?", kept)
        connection.execute("DELETE FROM songs WHERE number = ?", (row["number"],))


def _claim(connection: sqlite3.Connection, count: int) -> None:
    """Of two rebuilds at once, the second to end raises: a rebuild renumbers the songs that the other one counted."""
    if not connection.execute("UPDATE rebuilds SET count = count + 1 WHERE count = ?", (count,)).rowcount:
        raise Transient(reason="another rebuild of the fingerprint index came between")


def _added_since(connection: sqlite3.Connection, last: int) -> list[tuple[str, postings.Postings]]:
    """The songs with numbers above `last`, and their postings with song number 0."""
    rows = connection.execute("SELECT number, id, buckets FROM songs WHERE number > ?", (last,)).fetchall()
    return [(row["id"], _unnumbered(connection, row["number"], row["buckets"])) for row in rows]


def _unnumbered(connection: sqlite3.Connection, number: int, blob: bytes) -> postings.Postings:
    rows = _rows(connection, postings.unpack_buckets(blob))
    return np.array([one - number for row in rows for one in postings.of_song(*row, number)], dtype=np.uint64)


def _clear(connection: sqlite3.Connection) -> None:
    for table in ("songs", "buckets", "sqlite_sequence"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
