"""Collections of aggregates: one document each, with its version and the events that wait to be published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import time_ns
from typing import Any, Generic, TypeVar

from pymongo import ReplaceOne

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.mongo.database import Database, Document
from demixer.adapters.mongo.outbox import waiting
from demixer.domain import Event, Separation, Song, Upload
from demixer.domain.errors import Conflict

Aggregate = TypeVar("Aggregate", Upload, Song, Separation)
Order = Sequence[tuple[str, int]]

FIRST_SAVED = "first_saved"  # nanoseconds since 1970, by the clock of who saved: the order of what is equal otherwise


class Table(Generic[Aggregate]):
    """`derived` gives the fields that are searched by, and those kept as they are instead of as text.

    `counted` are fields that only the first save writes: something else counts them up.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        kind: type[Aggregate],
        *,
        derived: Callable[[Aggregate], Mapping[str, Any]] = lambda _: {},
        counted: Sequence[str] = (),
    ) -> None:
        self._database, self._name = database, name
        self._kind: type[Aggregate] = kind
        self._derived: Callable[[Aggregate], Mapping[str, Any]] = derived
        self._counted = counted

    def get(self, key: str) -> Aggregate | None:
        found = self.select({"_id": key})
        return found[0] if found else None

    def select(
        self, which: Mapping[str, Any], order: Order = (), *, limit: int | None = None, offset: int = 0
    ) -> list[Aggregate]:
        if limit == 0:  # which is no limit to MongoDB
            return []
        with self._database.collection(self._name) as collection:
            found = list(collection.find(which, sort=order or None, limit=limit or 0, skip=offset))
        return [self.read(document) for document in found]

    def save(self, aggregate: Aggregate, events: Sequence[Event]) -> Aggregate:
        """Compare and swap by version, in one write with the events. Raises `Conflict`, and then stores nothing."""
        fields, entries = self._fields(aggregate), waiting(events)
        if aggregate.version == 0:
            self._insert(aggregate, fields, entries)
            return replace(aggregate, version=1)
        self._replace(aggregate, fields, entries)
        return replace(aggregate, version=fields["version"], **self._counts(aggregate.id))

    def put(self, aggregates: Sequence[Aggregate]) -> None:
        """As they are, with their versions and counts, in the place of whatever is there."""
        documents = [{**self._fields(each), "version": each.version, FIRST_SAVED: time_ns()} for each in aggregates]
        with self._database.collection(self._name) as collection:
            collection.bulk_write([ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents])

    def read(self, document: Document) -> Aggregate:
        aggregate: Aggregate = from_document(self._kind, {**document, "id": document["_id"]})
        return aggregate

    def _insert(self, aggregate: Aggregate, fields: Document, entries: Sequence[Document]) -> None:
        outbox = {"outbox": entries, "waiting_since": entries[0]["at"]} if entries else {}
        try:
            with self._database.collection(self._name) as collection:
                collection.insert_one({**fields, **outbox, FIRST_SAVED: time_ns()})
        except Conflict as error:
            raise Conflict(id=aggregate.id, version=0) from error.__cause__

    def _replace(self, aggregate: Aggregate, fields: Document, entries: Sequence[Document]) -> None:
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

    def _fields(self, aggregate: Aggregate) -> Document:
        plain = to_document(aggregate)
        plain["_id"] = plain.pop("id")
        return {**plain, "version": aggregate.version + 1, **self._derived(aggregate)}
