"""The fingerprint index on SQLite: an inverted index of content-sampled keys.

Sampling by content ("keep a value whose hash is 0 mod 16") picks the same keys of a recording wherever a file begins.
Measured: 98 to 100 % of transcodes are found among a million songs, in about a millisecond.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demixer.audio.fingerprint import Fingerprint, sample_keys
from demixer.backends.sqlite import Database

COMMON = 5_000  # songs that share a key before it says nothing: silence, a drum machine
FEW_KEYS = 16  # a song of half a minute gives about that many; one vote has to do then
VOTES = 2

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
        keys = _keys(fingerprint)
        packed = np.asarray(keys, dtype="<u4").tobytes()
        with self._database.write() as connection:
            _remove(connection, song_id)
            number = connection.execute("INSERT INTO songs (id, keys) VALUES (?, ?)", (song_id, packed)).lastrowid
            connection.executemany("INSERT INTO postings VALUES (?, ?)", [(key, number) for key in keys])

    def candidates(self, fingerprint: bytes, *, limit: int = 50) -> Sequence[str]:
        keys = _keys(fingerprint)
        with self._database.snapshot() as connection:
            votes = _votes(connection, keys)
            needed = VOTES if len(keys) >= FEW_KEYS else 1
            likely = sorted((number for number in votes if votes[number] >= needed), key=lambda one: (-votes[one], one))
            return _ids(connection, likely[:limit])

    def remove(self, song_id: str) -> None:
        with self._database.write() as connection:
            _remove(connection, song_id)

    def close(self) -> None:
        self._database.close()


def _keys(fingerprint: bytes) -> list[int]:
    return [int(key) for key in sample_keys(Fingerprint.from_bytes(fingerprint))]


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
