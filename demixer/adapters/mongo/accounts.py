"""Local accounts on MongoDB: the collections `people` and `tokens`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from pymongo import IndexModel

from demixer.adapters.common.documents import from_document, to_document, to_text
from demixer.adapters.common.local_accounts import Account, LocalAccounts
from demixer.adapters.mongo.database import Database, indexes
from demixer.domain import Person
from demixer.domain.errors import Conflict

MIGRATIONS = (
    indexes({"people": [IndexModel("email", name="email", unique=True)], "tokens": [IndexModel("person_id")]}),
)


class MongoAccounts(LocalAccounts):
    """`demixer.ports.Accounts`."""

    def __init__(self, url: str, hasher: PasswordHasher | None = None) -> None:
        super().__init__(MongoAccountStore(Database(url, "accounts", MIGRATIONS, variable="ACCOUNTS_URL")), hasher)


class MongoAccountStore:
    """`demixer.adapters.common.local_accounts.AccountStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account) -> bool:
        document = {"_id": account.person.id, **to_document(account.person), "password": account.password}
        try:
            with self._database.collection("people") as people:
                people.insert_one(document)
        except Conflict:
            return False
        return True

    def by_email(self, email: str) -> Account | None:
        return self._one({"email": email})

    def by_id(self, person_id: str) -> Account | None:
        return self._one({"_id": person_id})

    def set_password(self, person_id: str, hashed: str) -> None:
        with self._database.collection("people") as people:
            people.update_one({"_id": person_id}, {"$set": {"password": hashed}})

    def add_token(self, digest: bytes, person_id: str, at: datetime) -> None:
        with self._database.collection("tokens") as tokens:
            tokens.insert_one({"_id": digest, "person_id": person_id, "created_at": to_text(at)})

    def by_token(self, digest: bytes) -> Account | None:
        with self._database.collection("tokens") as tokens:
            found = tokens.find_one({"_id": digest})
        return self.by_id(found["person_id"]) if found else None

    def remove_tokens(self, person_id: str) -> None:
        with self._database.collection("tokens") as tokens:
            tokens.delete_many({"person_id": person_id})

    def close(self) -> None:
        self._database.close()

    def _one(self, which: Mapping[str, Any]) -> Account | None:
        with self._database.collection("people") as people:
            found = people.find_one(which)
        return Account(from_document(Person, {**found, "id": found["_id"]}), found["password"]) if found else None
