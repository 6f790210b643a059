"""Consumer groups of the SQLite event log: who is alive, who holds which partition, and up to where a group is done.

A member shows a sign of life (`beat`) at least every `BEAT_SECONDS` and counts as gone after `LIFE_SECONDS`. At every
beat it gives up what it holds beyond its fair share, idle partitions only, and takes free ones up to its share. All of
it happens inside the caller's write transaction, so members never see a half-made decision.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from demixer.ports import TopicPartition

BEAT_SECONDS = 2.0
LIFE_SECONDS = 13.0  # plus one beat until the others notice: within the 15 s that the port promises

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
    """`session` tells a member from one that came back under its name: the newest session counts."""

    group: str
    name: str
    session: str
    partitions: Mapping[str, int]  # of each topic subscribed to

    @property
    def places(self) -> list[TopicPartition]:
        return [(topic, number) for topic, count in self.partitions.items() for number in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a member holds, with the group's next offset of each place; `fresh` if it had been given up for gone."""

    held: Mapping[TopicPartition, int]
    epoch: int
    fresh: bool = False


def join(connection: sqlite3.Connection, member: Member, now: datetime) -> None:
    """Enter, or come back under an old name and keep what that held."""
    connection.executemany(
        "INSERT INTO offsets VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
        [(member.group, *place) for place in member.places],
    )
    connection.execute(
        "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?)",
        (member.group, member.name, member.session, json.dumps(sorted(member.partitions)), now.timestamp()),
    )
    _release(connection, member, [place for place in _held(connection, member) if place not in set(member.places)])
    _tell(connection, member.group)


def leave(connection: sqlite3.Connection, member: Member) -> None:
    """Free everything, unless the name has been taken over."""
    if _session(connection, member) == member.session:
        _bury(connection, member.group, [member.name])


def beat(connection: sqlite3.Connection, member: Member, idle: Collection[TopicPartition], now: datetime) -> Standing:
    """A sign of life, and this member's part in sharing out. Only `idle` places may be given up."""
    session = _session(connection, member)
    if session not in (None, member.session):  # somebody else goes by this name now
        return Standing(held={}, epoch=epoch(connection, member.group))
    if session is None:
        join(connection, member, now)
    connection.execute(
        "UPDATE members SET seen = ? WHERE in_group = ? AND name = ?", (now.timestamp(), member.group, member.name)
    )
    _bury(connection, member.group, _gone(connection, member.group, now))
    for topic, count in member.partitions.items():
        _share_out(connection, member, topic, count, idle)
    return Standing(held=_held(connection, member), epoch=epoch(connection, member.group), fresh=session is None)


def epoch(connection: sqlite3.Connection, group: str) -> int:
    """Grows when somebody joined, left or gave something up: time to beat."""
    row = connection.execute("SELECT epoch FROM groups WHERE name = ?", (group,)).fetchone()
    return int(row[0]) if row else 0


def holds(connection: sqlite3.Connection, member: Member, place: TopicPartition) -> bool:
    return _session(connection, member) == member.session and place in _held(connection, member)


def commit(connection: sqlite3.Connection, member: Member, place: TopicPartition, following: int) -> bool:
    """The group is done up to `following`, not included. False, and nothing done, if the place is not the member's."""
    if not holds(connection, member, place):
        return False
    connection.execute(
        "UPDATE offsets SET next = max(next, ?) WHERE in_group = ? AND topic = ? AND partition = ?",
        (following, member.group, *place),
    )
    return True


def next_offset(connection: sqlite3.Connection, group: str, place: TopicPartition) -> int:
    sql = "SELECT next FROM offsets WHERE in_group = ? AND topic = ? AND partition = ?"
    return int(connection.execute(sql, (group, *place)).fetchone()[0])


def _share_out(
    connection: sqlite3.Connection, member: Member, topic: str, count: int, idle: Collection[TopicPartition]
) -> None:
    holders = _holders(connection, member.group, topic)
    mine = sorted(number for number, name in holders.items() if name == member.name)
    share = _share(connection, member, topic, count, holders)
    surplus = [(topic, number) for number in mine if (topic, number) in idle][: max(0, len(mine) - share)]
    free = [(topic, number) for number in range(count) if number not in holders][: max(0, share - len(mine))]
    _release(connection, member, surplus)
    connection.executemany(
        "INSERT INTO leases VALUES (?, ?, ?, ?)", [(member.group, *place, member.name) for place in free]
    )


def _share(connection: sqlite3.Connection, member: Member, topic: str, count: int, holders: Mapping[int, str]) -> int:
    """How many partitions `member` should hold. Where they do not divide evenly, who holds more keeps more."""
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


def _held(connection: sqlite3.Connection, member: Member) -> dict[TopicPartition, int]:
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


def _gone(connection: sqlite3.Connection, group: str, now: datetime) -> list[str]:
    """Also those seen in the future, as after the machine's clock was set back: who lives beats again at once."""
    sql = "SELECT name FROM members WHERE in_group = ? AND abs(seen - ?) >= ?"
    return [row["name"] for row in connection.execute(sql, (group, now.timestamp(), LIFE_SECONDS))]


def _bury(connection: sqlite3.Connection, group: str, names: Iterable[str]) -> None:
    for name in names:
        connection.execute("DELETE FROM leases WHERE in_group = ? AND member = ?", (group, name))
        connection.execute("DELETE FROM members WHERE in_group = ? AND name = ?", (group, name))
        _tell(connection, group)


def _release(connection: sqlite3.Connection, member: Member, places: Collection[TopicPartition]) -> None:
    sql = "DELETE FROM leases WHERE in_group = ? AND topic = ? AND partition = ? AND member = ?"
    connection.executemany(sql, [(member.group, *place, member.name) for place in places])
    if places:
        _tell(connection, member.group)


def _tell(connection: sqlite3.Connection, group: str) -> None:
    connection.execute("INSERT INTO groups VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1", (group,))
