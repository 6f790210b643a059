import functools
import sqlite3
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher

from demixer.adapters.sqlite.accounts import SqliteAccounts
from tests.contract.accounts import NOON, PASSWORD, AccountsContract, Opener

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Counts what takes the time."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as the library names it
        self.verified += 1
        return super().verify(hash, password)


class TestSqliteAccounts(AccountsContract):
    @pytest.fixture
    def open_accounts(self, tmp_path: Path) -> Opener:
        return functools.partial(SqliteAccounts, tmp_path / "accounts.db", hasher=CHEAP)


def test_an_unknown_email_costs_as_much_as_a_wrong_password(tmp_path: Path) -> None:
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = SqliteAccounts(tmp_path / "a.db", hasher=hasher)
    accounts.create("ana@example.com", PASSWORD, "", NOON)
    for email in ("ana@example.com", "unknown@example.com", "no address"):
        hasher.verified = 0
        assert accounts.authenticate(email, "wrong") is None
        assert hasher.verified == 1
    accounts.close()


def test_the_file_contains_no_password_or_token(tmp_path: Path) -> None:
    accounts = SqliteAccounts(tmp_path / "a.db", hasher=CHEAP)
    accounts.create("ana@example.com", PASSWORD, "", NOON)
    token = accounts.create_token("ana@example.com", NOON)
    accounts.close()
    stored = (tmp_path / "a.db").read_bytes()
    assert b"ana@example.com" in stored
    assert PASSWORD.encode() not in stored
    assert token.startswith("dmx_")
    assert token.removeprefix("dmx_").encode() not in stored


def test_signing_in_renews_the_hash_when_the_parameters_have_changed(tmp_path: Path) -> None:
    old = SqliteAccounts(tmp_path / "a.db", hasher=CHEAP)
    old.create("ana@example.com", PASSWORD, "", NOON)
    old.close()
    dearer = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    new = SqliteAccounts(tmp_path / "a.db", hasher=dearer)
    assert new.authenticate("ana@example.com", "wrong password") is None
    assert _stored_hash(tmp_path / "a.db").startswith("$argon2id$v=19$m=8,")
    for _ in range(2):
        assert new.authenticate("ana@example.com", PASSWORD) is not None
        assert _stored_hash(tmp_path / "a.db").startswith("$argon2id$v=19$m=16,t=2,")
    new.close()


def test_the_standard_parameters_are_those_of_rfc_9106(tmp_path: Path) -> None:
    accounts = SqliteAccounts(tmp_path / "a.db")
    accounts.create("ana@example.com", PASSWORD, "", NOON)
    assert _stored_hash(tmp_path / "a.db").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    accounts.close()


def test_a_damaged_hash_signs_nobody_in(tmp_path: Path) -> None:
    accounts = SqliteAccounts(tmp_path / "a.db", hasher=CHEAP)
    accounts.create("ana@example.com", PASSWORD, "", NOON)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE people SET password = 'damaged'")
    connection.close()
    assert accounts.authenticate("ana@example.com", PASSWORD) is None
    accounts.close()


def _stored_hash(path: Path) -> str:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("SELECT password FROM people").fetchone()
    connection.close()
    return str(found)
