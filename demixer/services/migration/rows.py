"""The tables of one engine made equal to those of another, and compared row by row."""

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter

from demixer.ports.table_export import Key, Row, TableExport
from demixer.services.migration.comparing import Comparison, Pair, compared

BATCH = 200  # rows; one with a fingerprint has about 10 KB

SOURCE, TARGET = 0, 1


def carry(source: TableExport, target: TableExport, table: str) -> None:
    """Only what differs is written, so a run after a kill goes on, and one more changes nothing.

    What the source lacks goes first: it may hold an e-mail that belongs to somebody else in the source.
    """
    for batch in _batches(theirs for ours, theirs in _paired(source, target, table) if ours is None and theirs):
        target.remove(table, batch)
    for batch in _batches(ours for ours, theirs in _paired(source, target, table) if ours and ours != theirs):
        target.put(table, batch)


def compare(source: TableExport, target: TableExport, table: str) -> Comparison:
    return compared(table, _contents(source, target, table))


def first_with_rows(export: TableExport) -> str | None:
    """The first table that is not empty."""
    return next((table for table in export.tables for _ in export.rows(table)), None)


def _contents(source: TableExport, target: TableExport, table: str) -> Iterator[Pair]:
    for ours, theirs in _paired(source, target, table):
        key = _key(source, table, ours or theirs or {})
        yield "/".join(key), _text(ours), _text(theirs)


def _paired(source: TableExport, target: TableExport, table: str) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows of both with the same key, in the order of keys; None where one side has none."""
    sides = (_keyed(source, table, SOURCE), _keyed(target, table, TARGET))
    for _, same in groupby(heapq.merge(*sides, key=itemgetter(0)), key=itemgetter(0)):
        found = {side: row for _, side, row in same}
        yield found.get(SOURCE), found.get(TARGET)


def _keyed(export: TableExport, table: str, side: int) -> Iterator[tuple[Key, int, Row]]:
    return ((_key(export, table, row), side, row) for row in export.rows(table))


def _key(export: TableExport, table: str, row: Row) -> Key:
    return tuple(row[field] for field in export.tables[table])


def _text(row: Row | None) -> str | None:
    return None if row is None else json.dumps(row, sort_keys=True, separators=(",", ":"))


def _batches(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        yield batch
