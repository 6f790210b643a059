"""Two installations side by side, for `demixer migrate`: what is carried from one to the other, part by part.

A part that lies at the same place in both is left alone, so that a single engine can be changed too.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import click

from consumers.framework import dead_letters
from consumers.framework.dead_letters import DeadLetter
from demixer import wiring
from demixer.ports import EventLog, Record, table_export
from demixer.ports.table_export import TableExport
from demixer.runtime.settings import Settings
from demixer.services.migration import events, rows
from demixer.services.migration import files as migration_files
from demixer.services.migration.comparing import Comparison, compared, place
from demixer.wiring import Adapters, open_adapters

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    source: Adapters
    target: Adapters
    accounts: tuple[TableExport, TableExport] | None  # None: at the same place
    catalogue: tuple[TableExport, TableExport] | None

    @property
    def exports(self) -> Sequence[tuple[TableExport, TableExport]]:
        return [pair for pair in (self.accounts, self.catalogue) if pair]

    @property
    def files_move(self) -> bool:
        return _elsewhere(self.source.settings.files_url, self.target.settings.files_url)

    @property
    def log_moves(self) -> bool:
        return _elsewhere(self.source.settings.events_url, self.target.settings.events_url)

    def found(self) -> str | None:
        """What already lies where this would carry to."""
        tables = (rows.first_with_rows(target) for _, target in self.exports)
        files = "files" if self.files_move and migration_files.keys(self.target.files) else None
        return next(filter(None, tables), files)

    def carry(self, quick: bool) -> Iterator[Comparison]:
        """All that cannot be made anew, compared in the end, or as it comes."""
        for source, target in self.exports:
            for table in source.tables:
                _say(f"Carrying {table}")
                rows.carry(source, target, table)
        yield from self._rows_compared()
        if self.files_move:
            wanted = migration_files.keys(self.source.files)
            pairs = migration_files.carry(self.source.files, self.target.files, wanted, quick=quick)
            yield compared("files", _shown("Carrying files", pairs, len(wanted)))

    def compare(self, quick: bool) -> Iterator[Comparison]:
        yield from self._rows_compared()
        if self.files_move:
            source, target = self.source.files, self.target.files
            wanted = sorted({*migration_files.keys(source), *migration_files.keys(target)})
            pairs = migration_files.compare(source, target, wanted, quick=quick)
            yield compared("files", _shown("Comparing files", pairs, len(wanted)))

    def derive(self) -> None:
        """What follows from the catalogue: the fingerprint index and the search index of the target."""
        if self.catalogue:
            songs = _shown("Indexing fingerprints", self.catalogue[0].rows("songs"))
            self.target.fingerprints.rebuild(table_export.fingerprints(songs))
        if self.catalogue or _elsewhere(self.source.settings.search_url, self.target.settings.search_url):
            _say(f"The search index holds {wiring.reindex(self.target.catalogue, self.target.search)} songs")

    def announce(self) -> None:
        """What was not handled yet, and what could not be. Last, so that whoever reads it finds all it speaks of."""
        source, target = self.source, self.target
        told = 0
        if self.log_moves:
            told += events.carry_topics(source.events, target.events)
            told += _carry_letters(source.events, target.events)
        if self.catalogue:
            told += events.carry_outbox(source.catalogue.outbox, target.events)
        _say(f"Told the target's log {told} events")

    def _rows_compared(self) -> Iterator[Comparison]:
        for source, target in self.exports:
            for table in source.tables:
                yield rows.compare(source, target, table)


@contextmanager
def opened(ours: Settings, theirs: Settings) -> Iterator[Move]:
    with ExitStack() as held:
        yield Move(
            source=held.enter_context(closing(open_adapters(ours))),
            target=held.enter_context(closing(open_adapters(theirs))),
            accounts=_exports(wiring.open_accounts_export, ours.accounts_url, theirs.accounts_url, held),
            catalogue=_exports(wiring.open_catalogue_export, ours.catalogue_url, theirs.catalogue_url, held),
        )


def _exports(
    open_: Callable[[str], TableExport], ours: str, theirs: str, held: ExitStack
) -> tuple[TableExport, TableExport] | None:
    if not _elsewhere(ours, theirs):
        return None
    return held.enter_context(closing(open_(ours))), held.enter_context(closing(open_(theirs)))


def _elsewhere(ours: str, theirs: str) -> bool:
    return place(ours) != place(theirs)


def _carry_letters(source: EventLog, target: EventLog) -> int:
    """The dead letters that wait in the source and not in the target yet."""
    there = {_sender(letter) for letter in dead_letters.waiting(target)}
    letters = [letter.message for letter in dead_letters.waiting(source) if _sender(letter) not in there]
    target.publish([Record(topic=it.topic, key=it.key, value=it.value, headers=it.headers) for it in letters])
    return len(letters)


def _sender(letter: DeadLetter) -> tuple[str, str, str, datetime]:
    """What tells dead letters apart in any log."""
    return letter.topic, letter.place, letter.group, letter.time


def _shown(label: str, items: Iterable[T], length: int | None = None) -> Iterator[T]:
    with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
        yield from bar


def _say(text: str) -> None:
    click.echo(text, err=True)
