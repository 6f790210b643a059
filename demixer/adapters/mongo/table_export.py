"""`demixer.ports.table_export.TableExport` of the catalogue and of the accounts on MongoDB."""

from collections.abc import Sequence
from typing import Any

from pymongo import DeleteOne, ReplaceOne

from demixer.adapters.common.paged_tables import PAGE, DocumentTable, PagedTableExport
from demixer.adapters.mongo import accounts as mongo_accounts
from demixer.adapters.mongo.catalogue import (
    MongoAnalyses,
    MongoSeparations,
    MongoSongs,
    MongoUploads,
    open_database,
)
from demixer.adapters.mongo.database import Database, Document
from demixer.ports.table_export import ACCOUNTS, CATALOGUE, Row


def catalogue(url: str) -> PagedTableExport:
    database = open_database(url)
    documents = {
        "uploads": DocumentTable(MongoUploads(database)),
        "songs": DocumentTable(MongoSongs(database)),
        "separations": DocumentTable(MongoSeparations(database)),
        "analyses": DocumentTable(MongoAnalyses(database)),
    }
    plain = {name: PlainTable(database, name, CATALOGUE[name]) for name in ("song_files", "libraries")}
    return PagedTableExport(CATALOGUE, {**documents, **plain}, database.close)


def accounts(url: str) -> PagedTableExport:
    database = Database(url, "accounts", mongo_accounts.MIGRATIONS, variable="ACCOUNTS_URL")
    tables = {name: PlainTable(database, name, key) for name, key in ACCOUNTS.items()}
    return PagedTableExport(ACCOUNTS, tables, database.close)


class PlainTable:
    """A collection whose documents are the rows. Their `_id` is the key: one field, or a document of several."""

    def __init__(self, database: Database, name: str, key: Sequence[str]) -> None:
        self._database, self._name, self._key = database, name, key

    def page(self, after: Row | None) -> Sequence[Row]:
        with self._database.collection(self._name) as collection:
            found = collection.find({"_id": {"$gt": self._id(after)}} if after else {}, sort=[("_id", 1)], limit=PAGE)
            return [self._row(document) for document in found]

    def put(self, rows: Sequence[Row]) -> None:
        documents = [self._document(row) for row in rows]
        with self._database.collection(self._name) as collection:
            collection.bulk_write([ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents])

    def remove(self, rows: Sequence[Row]) -> None:
        with self._database.collection(self._name) as collection:
            collection.bulk_write([DeleteOne({"_id": self._id(row)}) for row in rows])

    def _row(self, document: Document) -> Row:
        key = document.pop("_id")
        return {**document, **(key if isinstance(key, dict) else {self._key[0]: _shown(key)})}

    def _document(self, row: Row) -> Document:
        return {"_id": self._id(row), **{name: value for name, value in row.items() if name != "hash"}}

    def _id(self, row: Row) -> Any:
        """Hashes are bytes there and hexadecimal in a row, which sorts alike."""
        if self._key == ACCOUNTS["tokens"]:
            return bytes.fromhex(row["hash"])
        return row[self._key[0]] if len(self._key) == 1 else {name: row[name] for name in self._key}


def _shown(key: Any) -> Any:
    return key.hex() if isinstance(key, bytes) else key
