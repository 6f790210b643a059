"""Collections of domain values: one document each; of aggregates with a version and the events not published yet."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from time import time_ns
from typing import Any, Generic, TypeVar

from pymongo import DeleteOne, ReplaceOne

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.mongo.database import Database, Document
from demixer.adapters.mongo.outbox import outbox_entries
from demixer.domain import Analysis, Event, Separation, SeparationWorker, Song, Upload
from demixer.domain.errors import Conflict

Stored = TypeVar("Stored", bound=Upload | Song | Separation | Analysis | SeparationWorker)
Aggregate = TypeVar("Aggregate", bound=Upload | Song | Separation)
Order = Sequence[tuple[str, int]]

FIRST_SAVED = "first_saved"  # nanoseconds since 1970, by the clock of the process: orders what is equal otherwise


class Table(Generic[Stored]):
    """`derived` gives the fields that are searched by, and those kept as they are instead of as text."""

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Stored],
        derived: Callable[[Stored], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self._database, self._name = database, name
        self.kind: type[Stored] = kind
        self._derived: Callable[[Stored], Mapping[str, Any]] = derived

    def get(self, key: str) -> Stored | None:
        found = self.select({"_id": key})
        return found[0] if found else None

    def get_many(self, keys: Collection[str]) -> Mapping[str, Stored]:
        return {value.id: value for value in self.select({"_id": {"$in": list(keys)}})}

    def select(
        self, which: Mapping[str, Any], order: Order = (), *, limit: int | None = None, offset: int = 0
    ) -> list[Stored]:
        if limit == 0:  # which is no limit to MongoDB
            return []
        with self._database.collection(self._name) as collection:
            found = list(collection.find(which, sort=order or None, limit=limit or 0, skip=offset))
        return [self.read(document) for document in found]

    def after(self, key: str, limit: int) -> list[Stored]:
        return self.select({"_id": {"$gt": key}}, [("_id", 1)], limit=limit)

    def put(self, values: Sequence[Stored]) -> None:
        """Replaces the values with the same ids."""
        documents = [{**self._fields(value), FIRST_SAVED: time_ns()} for value in values]
        with self._database.collection(self._name) as collection:
            collection.bulk_write([ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents])

    def remove(self, keys: Sequence[str]) -> None:
        with self._database.collection(self._name) as collection:
            collection.bulk_write([DeleteOne({"_id": key}) for key in keys])

    def read(self, document: Document) -> Stored:
        value: Stored = from_document(self.kind, {**document, "id": document["_id"]})
        return value

    def _fields(self, value: Stored) -> Document:
        plain = to_document(value)
        plain["_id"] = plain.pop("id")
        return {**plain, **self._derived(value)}


class AggregateTable(Table[Aggregate]):
    """`counted` are fields that only the first save writes: something else counts them up."""

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Aggregate],
        derived: Callable[[Aggregate], Mapping[str, Any]] = lambda _: {},
        *,
        counted: Sequence[str] = (),
    ) -> None:
        super().__init__(database, name, kind, derived)
        self._counted = counted

    def save(self, aggregate: Aggregate, events: Sequence[Event] = ()) -> Aggregate:
        """Compare and swap by version, in one write with the events. Raises `Conflict`, and then stores nothing."""
        stored = replace(aggregate, version=aggregate.version + 1)
        fields, entries = self._fields(stored), outbox_entries(events)
        if aggregate.version == 0:
            self._insert(fields, entries)
            return stored
        self._update(aggregate, fields, entries)
        return replace(stored, **self._counts(aggregate.id))

    def _insert(self, fields: Document, entries: Sequence[Document]) -> None:
        outbox = {"outbox": entries, "waiting_since": entries[0]["at"]} if entries else {}
        try:
            with self._database.collection(self._name) as collection:
                collection.insert_one({**fields, **outbox, FIRST_SAVED: time_ns()})
        except Conflict as error:
            raise Conflict(id=fields["_id"], version=0) from error.__cause__

    def _update(self, aggregate: Aggregate, fields: Document, entries: Sequence[Document]) -> None:
        changes: Document = {"$set": {name: value for name, value in fields.items() if name not in self._counted}}
        if entries:
            changes |= {"$push": {"outbox": {"$each": entries}}, "$min": {"waiting_since": entries[0]["at"]}}
        with self._database.collection(self._name) as collection:
            result = collection.update_one({"_id": aggregate.id, "version": aggregate.version}, changes)
        if not result.matched_count:
            raise Conflict(id=aggregate.id, version=aggregate.version)

    def _counts(self, key: str) -> Mapping[str, Any]:
        if not self._counted:
            return {}
        with self._database.collection(self._name) as collection:
            return collection.find_one({"_id": key}, {"_id": 0, **dict.fromkeys(self._counted, 1)}) or {}
