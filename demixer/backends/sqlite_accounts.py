"""Local accounts on SQLite: passwords by Argon2id, API tokens kept as hashes."""

import hashlib
import secrets
import sqlite3
import threading
import unicodedata
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from demixer.backends.documents import from_document, to_text
from demixer.backends.sqlite import Database
from demixer.domain import Person, require
from demixer.errors import NotFound, Refused
from demixer.ports import MIN_PASSWORD

TOKEN_PREFIX = "dmx_"  # noqa: S105 - so that a leaked token is recognised, by people and by secret scanners
TOKEN_BYTES = 32
HASHING_AT_ONCE = 4  # Argon2 takes 64 MB each: a crowd at the door must not take all memory

# Mail may not leave the house of a band that runs this on its own network; the library documents changing its list.
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in ("local", "localhost", "test")]

MIGRATIONS = (
    """
CREATE TABLE people (
    id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE tokens (hash BLOB PRIMARY KEY, person_id TEXT NOT NULL, created_at TEXT NOT NULL) WITHOUT ROWID;
""",
)


class SqliteAccounts:
    """`demixer.ports.Accounts`. The parameters of `hasher` may change: who signs in then gets a new hash."""

    def __init__(self, path: Path, hasher: PasswordHasher | None = None) -> None:
        self._database = Database(path, MIGRATIONS, variable="ACCOUNTS_URL")
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHING_AT_ONCE)

    @cached_property
    def _nobody(self) -> str:
        """What the password of an unknown e-mail is compared with. Made when first wanted: it takes half a second."""
        return self._hash(secrets.token_hex())

    def create(self, email: str, password: str, name: str, at: datetime) -> Person:
        address = _address(email)
        require(address is not None, "email-invalid")
        require(len(password) >= MIN_PASSWORD, "password-short", length=MIN_PASSWORD)
        assert address is not None
        shown = name.strip() or address.partition("@")[0]
        row = (secrets.token_hex(10), address, shown, self._hash(password), to_text(at))
        with self._database.write() as connection:
            sql = "INSERT INTO people VALUES (?, ?, ?, ?, ?) ON CONFLICT (email) DO NOTHING RETURNING *"
            created = connection.execute(sql, row).fetchall()
        if not created:
            raise Refused("email-taken")
        return _person(created[0])

    def authenticate(self, email: str, password: str) -> Person | None:
        row = self._by_email(email)
        if not self._matches(row["password"] if row else self._nobody, password) or row is None:
            return None
        if self._hasher.check_needs_rehash(row["password"]):
            self._set_hash(row["id"], self._hash(password))
        return _person(row)

    def get(self, person_id: str) -> Person | None:
        row = self._database.row("SELECT * FROM people WHERE id = ?", (person_id,))
        return _person(row) if row else None

    def create_token(self, email: str, at: datetime) -> str:
        row = self._by_email(email)
        if row is None:
            raise NotFound("no-such-account")
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.write() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (_digest(token), row["id"], to_text(at)))
        return token

    def by_token(self, token: str) -> Person | None:
        sql = "SELECT people.* FROM tokens JOIN people ON people.id = person_id WHERE hash = ?"
        row = self._database.row(sql, (_digest(token),))
        return _person(row) if row else None

    def revoke_tokens(self, person_id: str) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM tokens WHERE person_id = ?", (person_id,))

    def close(self) -> None:
        self._database.close()

    def _by_email(self, email: str) -> sqlite3.Row | None:
        return self._database.row("SELECT * FROM people WHERE email = ?", (_address(email),))

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_normal(password))

    def _matches(self, hashed: str, password: str) -> bool:
        with self._hashing, suppress(VerificationError, InvalidHashError):
            return self._hasher.verify(hashed, _normal(password))
        return False

    def _set_hash(self, person_id: str, hashed: str) -> None:
        with self._database.write() as connection:
            connection.execute("UPDATE people SET password = ? WHERE id = ?", (hashed, person_id))


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


def _person(row: sqlite3.Row) -> Person:
    return from_document(Person, {name: row[name] for name in ("id", "email", "name", "created_at")})
