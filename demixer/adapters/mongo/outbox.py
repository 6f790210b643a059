"""The outbox on MongoDB: events inside the documents they were saved with, until they are published.

The field `outbox` lists them in the order of saving. `waiting_since` is the earliest time in it, and missing while the
list is empty, so that a sparse index finds the documents with events.
"""

import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from time import time_ns
from typing import Any

from pymongo import IndexModel

from demixer.adapters.common.documents import from_document, to_document
from demixer.adapters.mongo.database import Database, Document
from demixer.domain import Event

COLLECTIONS = ("uploads", "songs", "separations")

INDEXES = (IndexModel("waiting_since", sparse=True), IndexModel("outbox.id", sparse=True))


def outbox_entries(events: Sequence[Event]) -> list[Document]:
    """`at` is in nanoseconds since 1970, by the clock of the process that saves, and the same for all of one save."""
    now = time_ns()
    return [{"id": event.id, "at": now, "body": json.dumps(to_document(event), ensure_ascii=False)} for event in events]


class MongoOutbox:
    """`demixer.ports.Outbox`. The order is exact for each aggregate; among aggregates it follows the clocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, limit: int = 100) -> Sequence[Event]:
        """An event that was saved again before it was published is given once, where it was saved first."""
        with self._database.collection(COLLECTIONS[0]) as first:
            found = list(first.aggregate(_longest_waiting(limit)))
        entries = sorted((entry for document in found for entry in _in_order(document["outbox"])), key=itemgetter("at"))
        bodies: dict[str, str] = {}
        for entry in entries:
            bodies.setdefault(entry["id"], entry["body"])
        return [from_document(Event, json.loads(body)) for body in list(bodies.values())[:limit]]

    def mark_published(self, event_ids: Sequence[str]) -> None:
        if not event_ids:
            return
        for name in COLLECTIONS:
            with self._database.collection(name) as collection:
                collection.update_many({"outbox.id": {"$in": list(event_ids)}}, _without(event_ids))


def _longest_waiting(limit: int) -> list[Document]:
    """The documents of each collection whose events wait longest, in one request."""
    of_one: list[Document] = [
        {"$match": {"waiting_since": {"$gt": 0}}},
        {"$sort": {"waiting_since": 1}},
        {"$limit": limit},
        {"$project": {"outbox": 1}},
    ]
    return of_one + [{"$unionWith": {"coll": name, "pipeline": of_one}} for name in COLLECTIONS[1:]]


def _in_order(outbox: Sequence[Document]) -> Iterator[Document]:
    """The entries of one document, none with a time before that of the one before: clocks of processes differ."""
    latest = 0
    for entry in outbox:
        latest = max(latest, entry["at"])
        yield {**entry, "at": latest}


def _without(event_ids: Sequence[str]) -> list[dict[str, Any]]:
    stays = {"$not": [{"$in": ["$$this.id", {"$literal": list(event_ids)}]}]}
    since = {"$ifNull": [{"$min": {"$map": {"input": "$outbox", "in": "$$this.at"}}}, "$$REMOVE"]}
    return [{"$set": {"outbox": {"$filter": {"input": "$outbox", "cond": stays}}}}, {"$set": {"waiting_since": since}}]
