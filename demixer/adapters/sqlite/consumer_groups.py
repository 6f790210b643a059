"""Consumer groups of the SQLite event log: their members, the partitions each one holds, and the committed offsets.

A member sends a heartbeat at least every `HEARTBEAT_SECONDS` and is removed from its group after `SESSION_SECONDS`
without one. With every heartbeat it releases idle partitions beyond its fair share, and takes free ones up to it.
Every function runs in the caller's write transaction.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from demixer.ports import TopicPartition

HEARTBEAT_SECONDS = 2.0
SESSION_SECONDS = 13.0  # plus one heartbeat until the others notice: within the 15 s that the port promises

SCHEMA = """
CREATE TABLE groups (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE members (
    in_group TEXT NOT NULL, name TEXT NOT NULL, session TEXT NOT NULL, topics TEXT NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (in_group, name)
) WITHOUT ROWID;
CREATE TABLE leases (
    in_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, member TEXT NOT NULL,
    PRIMARY KEY (in_group, topic, partition)
) WITHOUT ROWID;
CREATE TABLE offsets (
    in_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (in_group, topic, partition)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """`session` differs each time a member of this name joins: the last to join is the member."""

    group: str
    name: str
    session: str
    partition_counts: Mapping[str, int]  # of each topic subscribed to

    @property
    def partitions(self) -> list[TopicPartition]:
        return [(topic, number) for topic, count in self.partition_counts.items() for number in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The partitions a member holds, with the group's next offset of each."""

    next_offsets: Mapping[TopicPartition, int]
    epoch: int
    rejoined: bool = False  # the member had been removed from the group


def join(connection: sqlite3.Connection, member: Member, now: datetime) -> None:
    """Join the group. A member that comes back under its old name keeps its partitions."""
    connection.executemany(
        "INSERT INTO offsets VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
        [(member.group, *partition) for partition in member.partitions],
    )
    connection.execute(
        "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?)",
        (member.group, member.name, member.session, json.dumps(sorted(member.partition_counts)), now.timestamp()),
    )
    _release(connection, member, _next_offsets(connection, member).keys() - set(member.partitions))
    _advance_epoch(connection, member.group)


def leave(connection: sqlite3.Connection, member: Member) -> None:
    """Release all partitions, unless another member has joined under this name."""
    if _session(connection, member) == member.session:
        _remove(connection, member.group, [member.name])


def heartbeat(
    connection: sqlite3.Connection, member: Member, idle: Collection[TopicPartition], now: datetime
) -> Assignment:
    """Stay in the group, remove members that stopped doing so, and rebalance. Only `idle` partitions are released."""
    session = _session(connection, member)
    if session not in (None, member.session):  # another member has joined under this name
        return Assignment(next_offsets={}, epoch=epoch(connection, member.group))
    if session is None:
        join(connection, member, now)
    connection.execute(
        "UPDATE members SET seen = ? WHERE in_group = ? AND name = ?", (now.timestamp(), member.group, member.name)
    )
    _remove(connection, member.group, _expired(connection, member.group, now))
    for topic, count in member.partition_counts.items():
        _rebalance(connection, member, topic, count, idle)
    return Assignment(
        next_offsets=_next_offsets(connection, member),
        epoch=epoch(connection, member.group),
        rejoined=session is None,
    )


def epoch(connection: sqlite3.Connection, group: str) -> int:
    """Grows when a member joins, leaves or releases a partition: the others send a heartbeat then."""
    row = connection.execute("SELECT epoch FROM groups WHERE name = ?", (group,)).fetchone()
    return int(row[0]) if row else 0


def holds(connection: sqlite3.Connection, member: Member, partition: TopicPartition) -> bool:
    return _session(connection, member) == member.session and partition in _next_offsets(connection, member)


def commit(connection: sqlite3.Connection, member: Member, partition: TopicPartition, next_: int) -> bool:
    """Store `next_` as the group's next offset, unless it has a later one. False if the member does not hold the
    partition; nothing is stored then."""
    if not holds(connection, member, partition):
        return False
    connection.execute(
        "UPDATE offsets SET next = max(next, ?) WHERE in_group = ? AND topic = ? AND partition = ?",
        (next_, member.group, *partition),
    )
    return True


def next_offset(connection: sqlite3.Connection, group: str, partition: TopicPartition) -> int:
    sql = "SELECT next FROM offsets WHERE in_group = ? AND topic = ? AND partition = ?"
    return int(connection.execute(sql, (group, *partition)).fetchone()[0])


def _rebalance(
    connection: sqlite3.Connection, member: Member, topic: str, count: int, idle: Collection[TopicPartition]
) -> None:
    holders = _holders(connection, member.group, topic)
    mine = sorted(number for number, name in holders.items() if name == member.name)
    share = _share(connection, member, topic, count, holders)
    surplus = [(topic, number) for number in mine if (topic, number) in idle][: max(0, len(mine) - share)]
    free = [(topic, number) for number in range(count) if number not in holders][: max(0, share - len(mine))]
    _release(connection, member, surplus)
    connection.executemany(
        "INSERT INTO leases VALUES (?, ?, ?, ?)", [(member.group, *partition, member.name) for partition in free]
    )


def _share(connection: sqlite3.Connection, member: Member, topic: str, count: int, holders: Mapping[int, str]) -> int:
    """How many partitions `member` should hold. Where they do not divide evenly, members that hold more keep more."""
    names = _subscribers(connection, member.group, topic)
    held = list(holders.values())
    names.sort(key=lambda name: (-held.count(name), name))
    each, rest = divmod(count, len(names))
    return each + (names.index(member.name) < rest)


def _subscribers(connection: sqlite3.Connection, group: str, topic: str) -> list[str]:
    rows = connection.execute("SELECT name, topics FROM members WHERE in_group = ?", (group,))
    return [row["name"] for row in rows if topic in json.loads(row["topics"])]


def _holders(connection: sqlite3.Connection, group: str, topic: str) -> dict[int, str]:
    sql = "SELECT partition, member FROM leases WHERE in_group = ? AND topic = ?"
    return {row["partition"]: row["member"] for row in connection.execute(sql, (group, topic))}


def _next_offsets(connection: sqlite3.Connection, member: Member) -> dict[TopicPartition, int]:
    rows = connection.execute(
        "SELECT topic, partition, next FROM leases JOIN offsets USING (in_group, topic, partition)"
        " WHERE in_group = ? AND member = ?",
        (member.group, member.name),
    )
    return {(row["topic"], row["partition"]): row["next"] for row in rows}


def _session(connection: sqlite3.Connection, member: Member) -> str | None:
    sql = "SELECT session FROM members WHERE in_group = ? AND name = ?"
    row = connection.execute(sql, (member.group, member.name)).fetchone()
    return row["session"] if row else None


def _expired(connection: sqlite3.Connection, group: str, now: datetime) -> list[str]:
    """Also members last seen in the future, after the machine's clock was set back: those that live join again."""
    sql = "SELECT name FROM members WHERE in_group = ? AND abs(seen - ?) >= ?"
    return [row["name"] for row in connection.execute(sql, (group, now.timestamp(), SESSION_SECONDS))]


def _remove(connection: sqlite3.Connection, group: str, names: Iterable[str]) -> None:
    for name in names:
        connection.execute("DELETE FROM leases WHERE in_group = ? AND member = ?", (group, name))
        connection.execute("DELETE FROM members WHERE in_group = ? AND name = ?", (group, name))
        _advance_epoch(connection, group)


def _release(connection: sqlite3.Connection, member: Member, partitions: Collection[TopicPartition]) -> None:
    sql = "DELETE FROM leases WHERE in_group = ? AND topic = ? AND partition = ? AND member = ?"
    connection.executemany(sql, [(member.group, *partition, member.name) for partition in partitions])
    if partitions:
        _advance_epoch(connection, member.group)


def _advance_epoch(connection: sqlite3.Connection, group: str) -> None:
    connection.execute("INSERT INTO groups VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1", (group,))
