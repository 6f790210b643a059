"""`demixer dead-letters`."""

from collections.abc import Sequence
from functools import partial

import click

from consumers.framework import dead_letters
from consumers.framework.dead_letters import DeadLetter
from demixer.domain import Event
from demixer.runtime.settings import load
from demixer.wiring import Services, services_of
from schemas.events import SeparationRequested, UploadFingerprinted, UploadReceived


def list_all() -> None:
    with services_of(load()) as services:
        letters = dead_letters.waiting(services.events)
    for letter in letters:
        kind = letter.event.type if letter.event else "unreadable"
        click.echo(f"{letter.id}\t{letter.time:%Y-%m-%d %H:%M:%S}\t{letter.group}\t{kind}\t{letter.why}")
    if not letters:
        click.echo("There are no dead letters.", err=True)


def show(letter_id: str) -> None:
    """Raises `NotFound("no-such-letter")`."""
    with services_of(load()) as services:
        letter = dead_letters.find(services.events, letter_id)
    for name, value in {**letter.message.headers, "key": letter.message.key}.items():
        click.echo(f"{name}: {value}")
    click.echo()
    click.echo(letter.message.value.decode(errors="backslashreplace"))


def replay(letter_ids: Sequence[str], every: bool) -> None:
    """Raises `NotFound("no-such-letter")` for the first that is unknown, or was replayed before."""
    with services_of(load()) as services:
        for letter in _asked_for(services, letter_ids, every):
            dead_letters.replay(services.events, letter, partial(ask_again, services))
            click.echo(f"Sent again: {letter.id}")


def ask_again(services: Services, event: Event) -> bool:
    """Whether an upload or a separation was given up, and is tried once more now."""
    asked = False
    match event.data:
        case UploadReceived(attempt=attempt) | UploadFingerprinted(attempt=attempt):
            asked = services.uploads.revive(event.subject).attempt > attempt
        case SeparationRequested(separation_id=separation_id, attempt=attempt):
            asked = services.separations.request_again(separation_id).attempt > attempt
    services.flush()
    return asked


def _asked_for(services: Services, letter_ids: Sequence[str], every: bool) -> list[DeadLetter]:
    if every == bool(letter_ids):
        raise click.UsageError("Name the letters to replay, or say --all.")
    if every:
        return dead_letters.waiting(services.events)
    return [dead_letters.find(services.events, letter_id) for letter_id in letter_ids]
