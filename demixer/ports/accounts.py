"""The accounts of people, and their tokens."""

from datetime import datetime
from typing import Protocol

from demixer.domain import Person

MIN_PASSWORD = 10  # characters; forms say so, and `Accounts.create` refuses fewer


class Accounts(Protocol):
    def create(self, email: str, password: str, name: str, at: datetime) -> Person:
        """Raises `Refused` ("email-taken", "email-invalid", "password-short"). E-mail is compared without case."""

    def authenticate(self, email: str, password: str) -> Person | None:
        """Takes as long for an unknown e-mail as for a wrong password."""

    def get(self, person_id: str) -> Person | None: ...

    def create_token(self, email: str, at: datetime) -> str:
        """A new API token; only its hash is kept. Raises `NotFound("no-such-account")`."""

    def by_token(self, token: str) -> Person | None: ...

    def revoke_tokens(self, person_id: str) -> None:
        """From now on no token of the person is valid. Does nothing if there is none."""

    def close(self) -> None: ...
