"""`demixer migrate`: a whole installation carried to other engines, and verified."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from demixer.cli import installations, migration_steps
from demixer.cli.migration_steps import Move
from demixer.domain.errors import ConfigurationError, NotFound, Transient
from demixer.domain.messages import sentence
from demixer.runtime.settings import Settings
from demixer.services.migration import comparing
from demixer.services.migration.comparing import Comparison, Note
from demixer.wiring import utc_now

SHOWN = 16  # characters of a checksum


def migrate(source: str | None, target: str | None, *, verify_only: bool, quick: bool, again: bool) -> int:
    """Returns 1 if the two differ in the end.

    Raises `ConfigurationError` before anything is written, and `click.ClickException` where an engine gave up.
    """
    ours, theirs = installations.named(source, target)
    if comparing.places(ours) == comparing.places(theirs) and ours.events_url == theirs.events_url:
        raise ConfigurationError(variable=installations.TO, hint="this is the installation that is carried")
    with installations.stopped(ours, theirs), _explained(), migration_steps.opened(ours, theirs) as move:
        note = comparing.note_of(ours, theirs, utc_now())
        before = comparing.read_note(move.target.files, note)
        if verify_only or (before and before.finished_at and not again):
            return _compare(move, before, quick)
        if before is None:
            _check_empty(move, note)
        return _carry(move, note, quick)


def _carry(move: Move, note: Note, quick: bool) -> int:
    comparing.write_note(move.target.files, note)
    equal = _told(move.carry(quick))
    if not equal:
        click.echo("They differ, so this is not finished. Is the source stopped? Run the same command again.", err=True)
        return 1
    move.derive()
    move.announce()
    comparing.write_note(move.target.files, note.finished(utc_now()))
    click.echo("Everything is carried and verified.")
    _tell_of_sessions(move.source.settings, move.target.settings)
    return 0


def _compare(move: Move, before: Note | None, quick: bool) -> int:
    if before and before.finished_at:
        click.echo(f"This was finished at {before.finished_at}: nothing is carried, only compared.", err=True)
    equal = _told(move.compare(quick))
    if not equal and before and before.finished_at:
        click.echo("One of them was used since. --again carries everything anew: what --to got is lost then.", err=True)
    return 0 if equal else 1


def _check_empty(move: Move, note: Note) -> None:
    found = move.found()
    if found:
        hint = (
            f"there are {found} already, and not from an earlier run of this command;"
            f" two installations are never mixed. Empty these, or name others: {', '.join(note.target)}"
        )
        raise ConfigurationError(variable=installations.TO, hint=hint)


def _told(comparisons: Iterable[Comparison]) -> bool:
    """One line each, as they come. Returns whether all are equal."""
    found = list(comparisons)
    click.echo(f"{'':14}{'source':>10}{'target':>10}  SHA-256")
    for each in found:
        click.echo(_line(each))
    return all(each.equal for each in found)


def _line(each: Comparison) -> str:
    counts = f"{each.name:14}{each.source.count:>10}{each.target.count:>10}"
    if each.equal:
        return f"{counts}  {each.source.checksum[:SHOWN]}  equal"
    named = ", ".join(each.named) + (", ..." if each.differing > len(each.named) else "")
    return f"{counts}  {each.differing} DIFFER: {named}"


def _tell_of_sessions(ours: Settings, theirs: Settings) -> None:
    if ours.secret_key != theirs.secret_key:
        where = ours.data_dir / "secret-key"
        click.echo(f"SECRET_KEY is another one: everybody has to sign in again, unless you carry it too ({where}).")


@contextmanager
def _explained() -> Iterator[None]:
    """What an engine said, since whoever runs this can do something about it."""
    try:
        yield
    except NotFound as error:
        raise click.ClickException(f"{error.params.get('key')} went away meanwhile. Stop what runs on it.") from error
    except Transient as error:
        said = error.params.get("reason") or sentence(error.code, error.params)
        raise click.ClickException(f"{said}\nRun the same command again: it goes on where it stopped.") from error
