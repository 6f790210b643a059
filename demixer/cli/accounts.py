"""`demixer account` and `demixer token`."""

import sys
from contextlib import closing

import click

from demixer import wiring
from demixer.runtime.settings import load
from demixer.wiring import utc_now


def create_account(email: str) -> None:
    """Raises `Refused` ("email-taken", "email-invalid", "password-short")."""
    settings = load()
    with closing(wiring.open_accounts(settings.accounts_url)) as accounts:
        person = accounts.create(email, _password(), "", utc_now())
    click.echo(f"Created the account {person.email}.")


def create_token(email: str) -> None:
    """Raises `NotFound("no-such-account")`."""
    settings = load()
    with closing(wiring.open_accounts(settings.accounts_url)) as accounts:
        click.echo(accounts.create_token(email, utc_now()))


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
