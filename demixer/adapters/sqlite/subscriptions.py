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

LOOK_SECONDS = 0.025  # between two looks for something new: what a waiting consumer adds to the latency of an event


class Reader(ABC):
    """Hands out the records of some places, the oldest first, from a position in each."""

    def __init__(self, database: Database, wait: Callable[[float], object]) -> None:
        self._database, self._wait = database, wait
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._quiet: int | None = None  # the database's version when nothing was left to hand out

    def poll(self, timeout: float) -> Message | None:
        while True:
            message = self._look()
            if message or timeout <= 0:
                return message
            self._wait(min(timeout, LOOK_SECONDS))
            timeout -= LOOK_SECONDS

    def next_buffered(self, message: Message) -> Message | None:
        return None  # nothing is fetched ahead

    def pause(self, message: Message) -> None:
        self._paused.add(message.topic_partition)

    def resume(self, message: Message) -> None:
        self._paused.discard(message.topic_partition)
        self._quiet = None

    @abstractmethod
    def _look(self) -> Message | None: ...

    def _next_unless_quiet(self, version: int) -> Message | None:
        message = None if version == self._quiet else self._next()
        self._quiet = None if message else version
        return message

    def _next(self) -> Message | None:
        """The oldest of what is next in each place: a queue over all partitions, in the order things were asked for."""
        with self._database.read() as connection:
            rows = (self._row_of(connection, place) for place in sorted(self._positions.keys() - self._paused))
            row = min(filter(None, rows), key=lambda row: row["time"], default=None)
        if row is None:
            return None
        self._positions[row["topic"], row["partition"]] = row["offset"] + 1
        return _message(row)

    def _row_of(self, connection: sqlite3.Connection, place: TopicPartition) -> sqlite3.Row | None:
        sql = "SELECT * FROM records WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT 1"
        row: sqlite3.Row | None = connection.execute(sql, (*place, self._positions[place])).fetchone()
        return row


class Browser(Reader):
    """Reads alone: `resume` goes on where `pause` stopped, and there is nothing to commit."""

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

    def _look(self) -> Message | None:
        return self._next_unless_quiet(self._database.data_version())


class Membership(Reader):
    """`demixer.ports.Subscription` of a group member. A beat with every second or so of polling keeps what it holds."""

    def __init__(
        self, database: Database, me: Member, clock: Callable[[], datetime], wait: Callable[[float], object]
    ) -> None:
        super().__init__(database, wait)
        self._me, self._clock = me, clock
        self._committed: dict[TopicPartition, int] = {}
        self._epoch, self._beaten = -1, 0.0
        self._closed = False

    def commit(self, *messages: Message) -> None:
        with self._database.write() as connection:
            done = [
                one
                for one in messages
                if consumer_groups.commit(connection, self._me, one.topic_partition, one.offset + 1)
            ]
            now = {
                one.topic_partition: consumer_groups.next_offset(connection, self._me.group, one.topic_partition)
                for one in done
            }
        self._committed.update(now)

    def resume(self, message: Message) -> None:
        super().resume(message)
        place = message.topic_partition
        if place in self._positions:
            self._positions[place] = self._committed[place]

    def owns(self, message: Message) -> bool:
        with self._database.snapshot() as connection:
            return consumer_groups.holds(connection, self._me, message.topic_partition)

    def close(self) -> None:
        if not self._closed:
            self._closed, self._positions = True, {}
            with self._database.write(durable=False) as connection:
                consumer_groups.leave(connection, self._me)

    def _look(self) -> Message | None:
        version = self._database.data_version()
        if not self._closed and self._beat_is_due(version):
            self._beat()
        return self._next_unless_quiet(version)

    def _beat_is_due(self, version: int) -> bool:
        if abs(self._clock().timestamp() - self._beaten) >= consumer_groups.BEAT_SECONDS:
            return True
        if version == self._quiet:
            return False
        with self._database.read() as connection:
            return consumer_groups.epoch(connection, self._me.group) != self._epoch

    def _beat(self) -> None:
        now = self._clock()
        with self._database.write(durable=False) as connection:
            standing = consumer_groups.beat(connection, self._me, self._idle(), now)
        if standing.fresh:
            self._positions = {}
        self._committed = dict(standing.held)
        self._positions = {place: self._positions.get(place, next_) for place, next_ in standing.held.items()}
        self._paused &= self._positions.keys()
        self._epoch, self._beaten, self._quiet = standing.epoch, now.timestamp(), None

    def _idle(self) -> set[TopicPartition]:
        """Where nothing is in hand: whatever was handed out is committed."""
        return {
            place
            for place, position in self._positions.items()
            if place not in self._paused and position == self._committed[place]
        }


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
