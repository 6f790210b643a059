"""The event log on SQLite: topics with partitions, and an offset per group, as a Kafka cluster has them."""

import json
import secrets
import sqlite3
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from demixer.adapters.sqlite import consumer_groups
from demixer.adapters.sqlite.consumer_groups import Member
from demixer.adapters.sqlite.database import Database
from demixer.adapters.sqlite.subscriptions import Browser, Membership
from demixer.ports import Record, TopicPartition

MIGRATIONS = (
    """
CREATE TABLE records (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    key TEXT NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX records_by_time ON records (topic, time);
CREATE TABLE heads (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""
    + consumer_groups.SCHEMA,
)


def utc_now() -> datetime:
    return datetime.now(UTC)


class SqliteEvents:
    """`demixer.ports.EventLog`. `partitions` gives how many a topic has; `clock` and `wait` are for tests."""

    def __init__(
        self,
        path: Path,
        *,
        partitions: Callable[[str], int],
        clock: Callable[[], datetime] = utc_now,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._database = Database(path, MIGRATIONS, variable="EVENTS_URL")
        self._partitions, self._clock, self._wait = partitions, clock, wait

    def publish(self, records: Sequence[Record]) -> None:
        now = self._clock().timestamp()
        with self._database.write() as connection:
            for record in records:
                self._append(connection, record, now)

    def subscribe(self, topics: Sequence[str], *, group: str, member: str) -> Membership:
        with self._database.write() as connection:
            counts = {topic: self._count(connection, topic) for topic in topics}
            joined = Member(group=group, name=member, session=secrets.token_hex(8), partition_counts=counts)
            consumer_groups.join(connection, joined, self._clock())
        return Membership(self._database, joined, self._clock, self._wait)

    def browse(self, topics: Sequence[str], *, from_start: bool) -> Browser:
        with self._database.snapshot() as connection:
            partitions = [(topic, number) for topic in topics for number in range(self._count(connection, topic))]
            positions = {each: 0 if from_start else _end(connection, each) for each in partitions}
        return Browser(self._database, positions, self._wait)

    def lag(self, group: str) -> Mapping[str, int]:
        """Counted from the first record that is still there, so that trimmed ones do not count as waiting."""
        rows = self._database.rows(
            "SELECT topic, sum(coalesce(heads.next - (SELECT min(offset) FROM records WHERE records.topic = heads.topic"
            " AND records.partition = heads.partition AND offset >= offsets.next), 0)) AS waiting"
            " FROM offsets LEFT JOIN heads USING (topic, partition) WHERE in_group = ? GROUP BY topic",
            (group,),
        )
        return {row["topic"]: row["waiting"] for row in rows}

    def trim(self, topic: str, before: datetime) -> int:
        with self._database.write(durable=False) as connection:
            sql = "DELETE FROM records WHERE topic = ? AND time < ?"
            return connection.execute(sql, (topic, before.timestamp())).rowcount

    def create_topics(self, topics: Sequence[str]) -> Sequence[str]:
        """None: a topic needs no making, and has the partitions that are asked for."""
        return []

    def close(self) -> None:
        self._database.close()

    def _append(self, connection: sqlite3.Connection, record: Record, now: float) -> None:
        partition = zlib.crc32(record.key.encode()) % self._partitions(record.topic)
        (next_,) = connection.execute(
            "INSERT INTO heads VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET next = next + 1 RETURNING next",
            (record.topic, partition),
        ).fetchone()
        headers = json.dumps(dict(record.headers))
        row = (record.topic, partition, next_ - 1, record.key, record.value, headers, now)
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _count(self, connection: sqlite3.Connection, topic: str) -> int:
        """Of partitions: as configured, or more where records lie in more, so that lowering the number loses none."""
        (used,) = connection.execute("SELECT max(partition) + 1 FROM heads WHERE topic = ?", (topic,)).fetchone()
        return max(self._partitions(topic), used or 0)


def _end(connection: sqlite3.Connection, partition: TopicPartition) -> int:
    """The offset that the next record will have."""
    row = connection.execute("SELECT next FROM heads WHERE topic = ? AND partition = ?", partition).fetchone()
    return int(row["next"]) if row else 0
