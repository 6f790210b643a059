"""Local accounts, on any store: passwords are hashed by Argon2id, API tokens are kept as hashes."""

import hashlib
import secrets
import threading
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from demixer.domain import Person, require
from demixer.domain.errors import NotFound, Refused
from demixer.ports import MIN_PASSWORD

TOKEN_PREFIX = "dmx_"  # noqa: S105 - so that a leaked token is recognised, by people and by secret scanners
TOKEN_BYTES = 32
HASHING_AT_ONCE = 4  # Argon2 takes 64 MB each: many sign-ins at once must not take all memory

# Addresses in these domains are welcome on a private network. The library documents changing its list.
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in ("local", "localhost", "test")]


@dataclass(frozen=True, slots=True)
class Account:
    person: Person  # with its e-mail address normalised for comparing
    password: str  # the hash


class AccountStore(Protocol):
    """Where accounts are kept. It is given hashes of passwords and tokens only."""

    def add(self, account: Account) -> bool:
        """False, and nothing is kept, if the e-mail is taken."""

    def by_email(self, email: str) -> Account | None: ...

    def by_id(self, person_id: str) -> Account | None: ...

    def set_password(self, person_id: str, hashed: str) -> None: ...

    def add_token(self, digest: bytes, person_id: str, at: datetime) -> None: ...

    def by_token(self, digest: bytes) -> Account | None: ...

    def remove_tokens(self, person_id: str) -> None: ...

    def close(self) -> None: ...


class LocalAccounts:
    """`demixer.ports.Accounts`. The parameters of `hasher` may change: who signs in then gets a new hash."""

    def __init__(self, store: AccountStore, hasher: PasswordHasher | None = None) -> None:
        self._store = store
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHING_AT_ONCE)

    @cached_property
    def _decoy(self) -> str:
        """The hash that the password of an unknown e-mail is compared with. Made when first needed: it takes 0.5 s."""
        return self._hash(secrets.token_hex())

    def create(self, email: str, password: str, name: str, at: datetime) -> Person:
        address = _address(email)
        require(address is not None, "email-invalid")
        require(len(password) >= MIN_PASSWORD, "password-short", length=MIN_PASSWORD)
        assert address is not None
        shown = name.strip() or address.partition("@")[0]
        person = Person(id=secrets.token_hex(10), email=address, name=shown, created_at=at)
        if not self._store.add(Account(person, self._hash(password))):
            raise Refused("email-taken")
        return person

    def authenticate(self, email: str, password: str) -> Person | None:
        account = self._by_email(email)
        if not self._matches(account.password if account else self._decoy, password) or account is None:
            return None
        if self._hasher.check_needs_rehash(account.password):
            self._store.set_password(account.person.id, self._hash(password))
        return account.person

    def get(self, person_id: str) -> Person | None:
        return _person(self._store.by_id(person_id))

    def create_token(self, email: str, at: datetime) -> str:
        account = self._by_email(email)
        if account is None:
            raise NotFound("no-such-account")
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        self._store.add_token(_digest(token), account.person.id, at)
        return token

    def by_token(self, token: str) -> Person | None:
        return _person(self._store.by_token(_digest(token)))

    def revoke_tokens(self, person_id: str) -> None:
        self._store.remove_tokens(person_id)

    def close(self) -> None:
        self._store.close()

    def _by_email(self, email: str) -> Account | None:
        address = _address(email)
        return self._store.by_email(address) if address else None

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_normal(password))

    def _matches(self, hashed: str, password: str) -> bool:
        with self._hashing, suppress(VerificationError, InvalidHashError):
            return self._hasher.verify(hashed, _normal(password))
        return False


def _address(email: str) -> str | None:
    """As it is stored and compared; None if it is no address. `localhost` and private domains are welcome: no DNS."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    usable = "." in checked.domain or checked.domain == "localhost"
    return checked.normalized.casefold() if usable else None


def _normal(password: str) -> str:
    """The same characters typed on another keyboard or system are the same password (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _digest(token: str) -> bytes:
    """A plain hash is enough: a token is 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


def _person(account: Account | None) -> Person | None:
    return account.person if account else None
