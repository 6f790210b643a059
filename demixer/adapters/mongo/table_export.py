"""`demixer.ports.table_export.TableExport` of the catalogue and of the accounts on MongoDB."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pymongo import DeleteOne, ReplaceOne

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.common.paged_tables import PAGE, Shelf, ShelfDump
from demixer.adapters.mongo import accounts as mongo_accounts
from demixer.adapters.mongo import catalogue as mongo_catalogue
from demixer.adapters.mongo.database import Database, Document
from demixer.adapters.mongo.tables import Table
from demixer.domain import Separation, Song, Upload
from demixer.ports.table_export import ACCOUNTS, CATALOGUE, Row

Aggregate = TypeVar("Aggregate", Upload, Song, Separation)


def catalogue(url: str) -> ShelfDump:
    database = Database(url, "catalogue", mongo_catalogue.MIGRATIONS, variable="CATALOGUE_URL")
    aggregates: dict[str, Shelf] = {
        "uploads": Aggregates(database, "uploads", Upload, Table(database, "uploads", Upload)),
        "songs": Aggregates(database, "songs", Song, mongo_catalogue.songs_table(database)),
        "separations": Aggregates(database, "separations", Separation, Table(database, "separations", Separation)),
    }
    plain = {name: Plain(database, name, CATALOGUE[name]) for name in ("song_files", "libraries")}
    return ShelfDump(CATALOGUE, {**aggregates, **plain}, database.close)


def accounts(url: str) -> ShelfDump:
    database = Database(url, "accounts", mongo_accounts.MIGRATIONS, variable="ACCOUNTS_URL")
    return ShelfDump(ACCOUNTS, {name: Plain(database, name, key) for name, key in ACCOUNTS.items()}, database.close)


class Aggregates(Generic[Aggregate]):
    """A collection of uploads, songs or separations: what its `Table` knows to read and write."""

    def __init__(self, database: Database, name: str, kind: type[Aggregate], table: Table[Aggregate]) -> None:
        self._database, self._name = database, name
        self._kind: type[Aggregate] = kind
        self._table: Table[Aggregate] = table

    def page(self, after: Row | None) -> Sequence[Row]:
        found = self._table.select({"_id": {"$gt": after["id"] if after else ""}}, [("_id", 1)], limit=PAGE)
        return [to_document(aggregate) for aggregate in found]

    def put(self, rows: Sequence[Row]) -> None:
        self._table.put([from_document(self._kind, row) for row in rows])

    def remove(self, rows: Sequence[Row]) -> None:
        _delete(self._database, self._name, [row["id"] for row in rows])


class Plain:
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
        _delete(self._database, self._name, [self._id(row) for row in rows])

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


def _delete(database: Database, name: str, keys: Sequence[Any]) -> None:
    with database.collection(name) as collection:
        collection.bulk_write([DeleteOne({"_id": key}) for key in keys])
