"""The catalogue on MongoDB: uploads, songs and separations with the outbox inside, libraries, analyses, workers."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from demixer.adapters.common.documents import to_text
from demixer.adapters.mongo.database import Database, Document, indexes
from demixer.adapters.mongo.outbox import INDEXES, MongoOutbox
from demixer.adapters.mongo.tables import FIRST_SAVED, AggregateTable, Order, Table
from demixer.domain import Analysis, Separation, SeparationState, SeparationWorker, Song, Upload, UploadState
from demixer.domain.folding import fold
from demixer.ports import Analyses, Libraries, Outbox, Separations, Songs, Uploads, Workers

SWEPT_AT_ONCE = 1000


def _by(*fields: str) -> IndexModel:
    return IndexModel(list(fields))


MIGRATIONS = (
    indexes(
        {
            "uploads": [
                *INDEXES,
                _by("person_id", "hidden", "created_at", FIRST_SAVED),
                _by("song_id", "created_at", FIRST_SAVED),
                _by("state", "updated_at", FIRST_SAVED),
            ],
            "songs": [
                *INDEXES,
                _by("sha256", "removed", "created_at", FIRST_SAVED),
                _by("shown", "created_at", "_id"),
                _by("shown", "plays", "created_at", "_id"),
                _by("shown", "_id"),
                _by("begins"),
            ],
            "separations": [
                *INDEXES,
                _by("song_id", "requested_at", FIRST_SAVED),
                _by("state", "requested_at", FIRST_SAVED),
            ],
            "libraries": [IndexModel([("person_id", ASCENDING), ("kept_at", DESCENDING), ("song_id", ASCENDING)])],
        }
    ),
    indexes({"uploads": [_by("waits_for", "updated_at", FIRST_SAVED)]}),
)


class MongoCatalogue:
    """`demixer.ports.Catalogue`."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url)
        songs = MongoSongs(self._database)
        self.uploads: Uploads = MongoUploads(self._database)
        self.songs: Songs = songs
        self.separations: Separations = MongoSeparations(self._database)
        self.libraries: Libraries = MongoLibraries(self._database, songs)
        self.analyses: Analyses = MongoAnalyses(self._database)
        self.workers: Workers = MongoWorkers(self._database)
        self.outbox: Outbox = MongoOutbox(self._database)

    def close(self) -> None:
        self._database.close()


def open_database(url: str) -> Database:
    return Database(url, "catalogue", MIGRATIONS, variable="CATALOGUE_URL")


class MongoUploads(AggregateTable[Upload]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "uploads", Upload)

    def of_person(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Upload]:
        which = {"person_id": person_id, "hidden": False}
        return self.select(which, _newest_by("created_at", FIRST_SAVED), limit=limit, offset=offset)

    def of_song(self, song_id: str) -> Sequence[Upload]:
        which = {"song_id": song_id, "state": {"$ne": UploadState.CANCELLED.value}}
        return self.select(which, _oldest_by("created_at", FIRST_SAVED))

    def waiting_for(self, key: str) -> Sequence[Upload]:
        found = self.select({"waits_for": key}, _oldest_by("updated_at", FIRST_SAVED))
        return [upload for upload in found if upload.is_open]

    def in_state(self, states: Sequence[UploadState], *, updated_before: datetime) -> Sequence[Upload]:
        which = {"state": _one_of(states), "updated_at": {"$lt": to_text(updated_before)}}
        return self.select(which, _oldest_by("updated_at", FIRST_SAVED), limit=SWEPT_AT_ONCE)


class MongoSongs(AggregateTable[Song]):
    ORDERS: Mapping[str, tuple[str, ...]] = {
        "newest": ("created_at", "_id"),
        "most-played": ("plays", "created_at", "_id"),
    }

    def __init__(self, database: Database) -> None:
        super().__init__(database, "songs", Song, _song_fields, counted=("plays",))

    def by_file(self, sha256: str) -> Song | None:
        joined = self.linked_song(sha256)
        if joined is not None and not joined.is_removed:
            return joined
        found = self._brought_by(sha256)
        return found[0] if found else None

    def link_file(self, sha256: str, song_id: str) -> None:
        with self._database.collection("song_files") as song_files:
            song_files.update_one({"_id": sha256}, {"$set": {"song_id": song_id}}, upsert=True)

    def linked_song(self, sha256: str) -> Song | None:
        with self._database.collection("song_files") as song_files:
            file = song_files.find_one({"_id": sha256})
        return self.get(file["song_id"]) if file else None

    def list_visible(self, *, order: str, limit: int, offset: int = 0, prefix: str = "") -> Sequence[Song]:
        begins = {"begins": {"$regex": f"^{re.escape(fold(prefix))}"}} if fold(prefix) else {}
        sort = _oldest_by("_id") if order == "id" else _newest_by(*self.ORDERS[order])
        return self.select({"shown": True, **begins}, sort, limit=limit, offset=offset)

    def count_play(self, song_id: str) -> None:
        with self._database.collection("songs") as songs:
            songs.update_one({"_id": song_id}, {"$inc": {"plays": 1}})

    def _brought_by(self, sha256: str) -> list[Song]:
        which = {"sha256": sha256, "removed": False}
        return self.select(which, _oldest_by("created_at", FIRST_SAVED), limit=1)


class MongoSeparations(AggregateTable[Separation]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "separations", Separation)

    def of_song(self, song_id: str) -> Sequence[Separation]:
        return self.select({"song_id": song_id}, _oldest_by("requested_at", FIRST_SAVED))

    def in_state(self, states: Sequence[SeparationState]) -> Sequence[Separation]:
        return self.select({"state": _one_of(states)}, _oldest_by("requested_at", FIRST_SAVED))

    def queue_position(self, separation: Separation) -> int:
        with self._database.collection("separations") as separations:
            stored = separations.find_one({"_id": separation.id}, ["requested_at", FIRST_SAVED])
            return 1 + separations.count_documents(_ahead_of(stored)) if stored else 1

    def queue_positions(self, separation_ids: Collection[str]) -> Mapping[str, int]:
        with self._database.collection("separations") as separations:
            found = list(separations.aggregate(_queue_positions(separation_ids)))
        return {document["_id"]: document["position"] for document in found}

    def queue_length(self) -> tuple[int, datetime | None]:
        requested = {"state": SeparationState.REQUESTED.value}
        with self._database.collection("separations") as separations:
            first = separations.find_one(requested, ["requested_at"], sort=[("requested_at", 1)])
            count = separations.count_documents(requested)
        return (count, datetime.fromisoformat(first["requested_at"])) if first else (0, None)


class MongoLibraries:
    def __init__(self, database: Database, songs: MongoSongs) -> None:
        self._database, self._songs = database, songs

    def add(self, person_id: str, song_id: str, at: datetime) -> None:
        """Adding again changes nothing: the song keeps its place."""
        kept = {"person_id": person_id, "song_id": song_id, "kept_at": to_text(at)}
        with self._database.collection("libraries") as libraries:
            libraries.update_one(_kept(person_id, song_id), {"$setOnInsert": kept}, upsert=True)

    def remove(self, person_id: str, song_id: str) -> None:
        with self._database.collection("libraries") as libraries:
            libraries.delete_one(_kept(person_id, song_id))

    def songs(self, person_id: str, *, limit: int, offset: int = 0) -> Sequence[Song]:
        if limit == 0:  # which MongoDB refuses
            return []
        with self._database.collection("libraries") as libraries:
            found = list(libraries.aggregate(_library(person_id, limit, offset)))
        return [self._songs.read(document) for document in found]

    def contains(self, person_id: str, song_id: str) -> bool:
        with self._database.collection("libraries") as libraries:
            return libraries.find_one(_kept(person_id, song_id), ["_id"]) is not None


class MongoAnalyses(Table[Analysis]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "analyses", Analysis, _analysis_fields)

    def save(self, analysis: Analysis) -> None:
        self.put([analysis])


class MongoWorkers(Table[SeparationWorker]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "workers", SeparationWorker)

    def save(self, worker: SeparationWorker) -> None:
        self.put([worker])

    def all(self) -> Sequence[SeparationWorker]:
        return self.select({}, _oldest_by("_id"))


def _song_fields(song: Song) -> Mapping[str, Any]:
    """`begins` is what prefixes are looked up in. Only of songs that may be found so, to keep its index small."""
    texts = {fold(text) for text in (song.tags.artist, song.tags.album, song.tags.title)} if song.is_visible else set()
    return {
        "fingerprint": song.fingerprint,
        "shown": song.is_visible,
        "removed": song.is_removed,
        "begins": sorted(texts - {""}),
    }


def _analysis_fields(analysis: Analysis) -> Mapping[str, Any]:
    return {"fingerprint": analysis.fingerprint, "shifted_fingerprint": analysis.shifted_fingerprint}


def _library(person_id: str, limit: int, offset: int) -> list[Document]:
    """As documents of songs."""
    return [
        {"$match": {"person_id": person_id}},
        {"$sort": {"kept_at": DESCENDING, "song_id": ASCENDING}},
        {"$lookup": {"from": "songs", "localField": "song_id", "foreignField": "_id", "as": "song"}},
        {"$unwind": "$song"},
        {"$match": {"song.removed": False}},
        {"$skip": offset},
        {"$limit": limit},
        {"$replaceRoot": {"newRoot": "$song"}},
    ]


def _kept(person_id: str, song_id: str) -> Document:
    return {"_id": {"person_id": person_id, "song_id": song_id}}


def _ahead_of(stored: Document) -> Document:
    at, first = stored["requested_at"], stored[FIRST_SAVED]
    earlier = [{"requested_at": {"$lt": at}}, {"requested_at": at, FIRST_SAVED: {"$lt": first}}]
    return {"state": SeparationState.REQUESTED.value, "$or": earlier}


def _queue_positions(separation_ids: Collection[str]) -> list[Document]:
    order = {"requested_at": ASCENDING, FIRST_SAVED: ASCENDING}
    return [
        {"$match": {"state": SeparationState.REQUESTED.value}},
        {"$setWindowFields": {"sortBy": order, "output": {"position": {"$documentNumber": {}}}}},
        {"$match": {"_id": {"$in": list(separation_ids)}}},
        {"$project": {"position": 1}},
    ]


def _one_of(states: Sequence[UploadState] | Sequence[SeparationState]) -> Document:
    return {"$in": [state.value for state in states]}


def _oldest_by(*fields: str) -> Order:
    return [(field, ASCENDING) for field in fields]


def _newest_by(*fields: str) -> Order:
    return [(field, DESCENDING) for field in fields]
