"""Local accounts on SQLite."""

import sqlite3
from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher

from demixer.adapters.common.documents import from_document, to_document, to_text
from demixer.adapters.common.local_accounts import Account, LocalAccounts
from demixer.adapters.sqlite.database import Database
from demixer.domain import Person

MIGRATIONS = (
    """
CREATE TABLE people (
    id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE tokens (hash BLOB PRIMARY KEY, person_id TEXT NOT NULL, created_at TEXT NOT NULL) WITHOUT ROWID;
""",
)


class SqliteAccounts(LocalAccounts):
    """`demixer.ports.Accounts`."""

    def __init__(self, path: Path, hasher: PasswordHasher | None = None) -> None:
        super().__init__(SqliteAccountStore(Database(path, MIGRATIONS, variable="ACCOUNTS_URL")), hasher)


class SqliteAccountStore:
    """`demixer.adapters.common.local_accounts.AccountStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account) -> bool:
        row = {**to_document(account.person), "password": account.password}
        sql = "INSERT INTO people (id, email, name, password, created_at)"
        values = "VALUES (:id, :email, :name, :password, :created_at) ON CONFLICT (email) DO NOTHING"
        with self._database.write() as connection:
            return connection.execute(f"{sql} {values}", row).rowcount == 1

    def by_email(self, email: str) -> Account | None:
        return _account(self._database.row("SELECT * FROM people WHERE email = ?", (email,)))

    def by_id(self, person_id: str) -> Account | None:
        return _account(self._database.row("SELECT * FROM people WHERE id = ?", (person_id,)))

    def set_password(self, person_id: str, hashed: str) -> None:
        with self._database.write() as connection:
            connection.execute("UPDATE people SET password = ? WHERE id = ?", (hashed, person_id))

    def add_token(self, digest: bytes, person_id: str, at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?)", (digest, person_id, to_text(at)))

    def by_token(self, digest: bytes) -> Account | None:
        sql = "SELECT people.* FROM tokens JOIN people ON people.id = person_id WHERE hash = ?"
        return _account(self._database.row(sql, (digest,)))

    def remove_tokens(self, person_id: str) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM tokens WHERE person_id = ?", (person_id,))

    def close(self) -> None:
        self._database.close()


def _account(row: sqlite3.Row | None) -> Account | None:
    return Account(from_document(Person, dict(row)), row["password"]) if row else None
