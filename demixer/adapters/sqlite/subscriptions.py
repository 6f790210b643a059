"""Reading the SQLite event log: as a member of a group, or alone."""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from demixer.adapters.sqlite import consumer_groups
from demixer.adapters.sqlite.consumer_groups import Member
from demixer.adapters.sqlite.database import Database
from demixer.ports import Message, TopicPartition

POLL_SECONDS = 0.025  # between two looks for a new record: what waiting adds to the latency of an event


class Reader(ABC):
    """Hands out the records of some partitions, the oldest first, from an offset in each."""

    def __init__(self, database: Database, wait: Callable[[float], object]) -> None:
        self._database, self._wait = database, wait
        self._positions: dict[TopicPartition, int] = {}  # the next offset to hand out
        self._paused: set[TopicPartition] = set()
        self._exhausted_at: int | None = None  # the version of the database in which nothing was left to hand out

    def poll(self, timeout: float) -> Message | None:
        while True:
            message = self._poll_once()
            if message or timeout <= 0:
                return message
            self._wait(min(timeout, POLL_SECONDS))
            timeout -= POLL_SECONDS

    def next_buffered(self, message: Message) -> Message | None:
        return None  # nothing is fetched ahead

    def pause(self, message: Message) -> None:
        self._paused.add(message.topic_partition)

    def resume(self, message: Message) -> None:
        self._paused.discard(message.topic_partition)
        self._exhausted_at = None

    @abstractmethod
    def _poll_once(self) -> Message | None: ...

    def _next(self, version: int) -> Message | None:
        """The oldest of the next messages of all partitions that are not paused. `version`: of the database now."""
        if version == self._exhausted_at:
            return None
        with self._database.read() as connection:
            rows = (self._row_of(connection, each) for each in sorted(self._positions.keys() - self._paused))
            row = min(filter(None, rows), key=lambda row: row["time"], default=None)
        if row is None:
            self._exhausted_at = version
            return None
        self._exhausted_at = None
        self._positions[row["topic"], row["partition"]] = row["offset"] + 1
        return _message(row)

    def _row_of(self, connection: sqlite3.Connection, partition: TopicPartition) -> sqlite3.Row | None:
        sql = "SELECT * FROM records WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT 1"
        row: sqlite3.Row | None = connection.execute(sql, (*partition, self._positions[partition])).fetchone()
        return row


class Browser(Reader):
    """Reads outside any group: `resume` continues where `pause` stopped, and `commit` does nothing."""

    def __init__(
        self, database: Database, positions: Mapping[TopicPartition, int], wait: Callable[[float], object]
    ) -> None:
        super().__init__(database, wait)
        self._positions = dict(positions)

    def commit(self, *messages: Message) -> None:
        pass

    def owns(self, message: Message) -> bool:
        return message.topic_partition in self._positions

    def close(self) -> None:
        self._positions = {}

    def _poll_once(self) -> Message | None:
        return self._next(self._database.data_version())


class Membership(Reader):
    """`demixer.ports.Subscription` of a group member. Polling sends the heartbeats that keep it in the group."""

    def __init__(
        self, database: Database, member: Member, clock: Callable[[], datetime], wait: Callable[[float], object]
    ) -> None:
        super().__init__(database, wait)
        self._member, self._clock = member, clock
        self._committed: dict[TopicPartition, int] = {}  # the group's next offset of each partition held
        self._epoch, self._last_heartbeat_at = -1, 0.0
        self._closed = False

    def commit(self, *messages: Message) -> None:
        committed = {}
        with self._database.write() as connection:
            for message in messages:
                partition = message.topic_partition
                if consumer_groups.commit(connection, self._member, partition, message.offset + 1):
                    committed[partition] = consumer_groups.next_offset(connection, self._member.group, partition)
        self._committed.update(committed)

    def resume(self, message: Message) -> None:
        super().resume(message)
        partition = message.topic_partition
        if partition in self._positions:
            self._positions[partition] = self._committed[partition]

    def owns(self, message: Message) -> bool:
        with self._database.snapshot() as connection:
            return consumer_groups.holds(connection, self._member, message.topic_partition)

    def close(self) -> None:
        if not self._closed:
            self._closed, self._positions = True, {}
            with self._database.write(durable=False) as connection:
                consumer_groups.leave(connection, self._member)

    def _poll_once(self) -> Message | None:
        version = self._database.data_version()
        if not self._closed and self._heartbeat_is_due(version):
            self._heartbeat()
        return self._next(version)

    def _heartbeat_is_due(self, version: int) -> bool:
        if abs(self._clock().timestamp() - self._last_heartbeat_at) >= consumer_groups.HEARTBEAT_SECONDS:
            return True
        if version == self._exhausted_at:
            return False
        with self._database.read() as connection:
            return consumer_groups.epoch(connection, self._member.group) != self._epoch

    def _heartbeat(self) -> None:
        """Only idle partitions may be released: those of which all that was handed out is committed."""
        now = self._clock()
        idle = {
            partition
            for partition, position in self._positions.items()
            if partition not in self._paused and position == self._committed[partition]
        }
        with self._database.write(durable=False) as connection:
            assignment = consumer_groups.heartbeat(connection, self._member, idle, now)
        kept = {} if assignment.rejoined else self._positions
        self._positions = {each: kept.get(each, next_) for each, next_ in assignment.next_offsets.items()}
        self._committed = dict(assignment.next_offsets)
        self._paused &= self._positions.keys()
        self._epoch, self._last_heartbeat_at, self._exhausted_at = assignment.epoch, now.timestamp(), None


def _message(row: sqlite3.Row) -> Message:
    return Message(
        topic=row["topic"],
        key=row["key"],
        value=row["value"],
        headers=json.loads(row["headers"]),
        partition=row["partition"],
        offset=row["offset"],
        time=datetime.fromtimestamp(row["time"], UTC),
    )
