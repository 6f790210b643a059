import base64
import functools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest

from demixer.adapters.mongo import catalogue as mongo_catalogue
from demixer.adapters.mongo import outbox as outbox_module
from demixer.adapters.mongo.catalogue import MongoCatalogue
from demixer.adapters.mongo.database import Database
from demixer.domain import UploadState
from demixer.domain.errors import Conflict
from demixer.ports import Catalogue
from tests.contract.catalogue import (
    STORED_BEFORE,
    CatalogueContract,
    Opener,
    a_separation,
    a_song,
    an_event,
    an_upload,
    at,
    ids,
    params_of,
)
from tests.servers import Engine


class TestMongoCatalogue(CatalogueContract):
    @pytest.fixture
    def open_catalogue(self, mongodb: Engine) -> Opener:
        return functools.partial(MongoCatalogue, mongodb.fresh())

    @pytest.fixture
    def old_catalogue(self, mongodb: Engine) -> Iterator[Catalogue]:
        url = mongodb.fresh()
        store_as_before(url)
        with closing(MongoCatalogue(url)) as catalogue:
            yield catalogue


def store_as_before(url: str) -> None:
    """Into a new database: what `STORED_BEFORE` says."""
    outbox = [
        {"id": row["id"], "at": 1, "body": json.dumps(row["body"], ensure_ascii=False)}
        for row in STORED_BEFORE["outbox"]
    ]
    documents = {table: [document_of(row) for row in STORED_BEFORE[table]] for table in outbox_module.COLLECTIONS}
    documents["uploads"][0] |= {"outbox": outbox, "waiting_since": 1}
    for song in documents["songs"]:
        song["begins"] = ["nandu", song["_id"]] if song["shown"] else []
    with closing(Database(url, "catalogue", mongo_catalogue.MIGRATIONS[:1], variable="CATALOGUE_URL")) as old:
        for name, found in documents.items():
            with old.collection(name) as collection:
                collection.insert_many(found)


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
    derived = {name: bool(row[name]) for name in ("removed", "shown") if name in row}
    counted = {name: row[name] for name in ("version", "plays") if name in row}
    document = {**row["body"], "_id": row["id"], "first_saved": 1, **counted, **derived}
    if "fingerprint" in row:
        document["fingerprint"] = base64.b64decode(row["fingerprint"])
    return {name: value for name, value in document.items() if name != "id"}


@pytest.fixture
def catalogue(mongodb: Engine) -> Iterator[MongoCatalogue]:
    catalogue = MongoCatalogue(mongodb.fresh())
    yield catalogue
    catalogue.close()


def test_threads_that_count_up_by_compare_and_swap_lose_nothing_beside_plays_and_events(
    catalogue: MongoCatalogue,
) -> None:
    catalogue.songs.save(a_song(duration=0.0))

    def work(n: int) -> None:
        for nth in range(5):
            count_up(catalogue, f"{n}-{nth}")
            catalogue.songs.count_play("s1")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    song = catalogue.songs.get("s1")
    assert song is not None
    assert (song.duration, song.version, song.plays) == (40.0, 41, 40)
    events = [params_of(event)["count"] for event in catalogue.outbox.pending()]
    assert events == [float(n) for n in range(1, 41)]


def count_up(catalogue: MongoCatalogue, name: str) -> None:
    while True:
        song = catalogue.songs.get("s1")
        assert song is not None
        more = replace(song, duration=song.duration + 1)
        with suppress(Conflict):
            catalogue.songs.save(more, [an_event(name, count=more.duration)])
            return


def test_events_of_one_upload_keep_their_order_though_clocks_disagree(
    catalogue: MongoCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((50, 10, 30, 70, 20))
    monkeypatch.setattr(outbox_module, "time_ns", lambda: next(clock))
    upload = catalogue.uploads.save(an_upload(), [an_event("first"), an_event("second")])
    upload = catalogue.uploads.save(upload, [an_event("third")])
    catalogue.songs.save(a_song(), [an_event("between")])
    catalogue.separations.save(a_separation(), [an_event("last")])
    catalogue.uploads.save(upload, [an_event("fourth")])
    assert ids(catalogue.outbox.pending()) == ["between", "first", "second", "third", "fourth", "last"]
    catalogue.outbox.mark_published(["first", "between"])
    assert ids(catalogue.outbox.pending(limit=2)) == ["second", "third"]


def test_documents_without_events_are_not_read(catalogue: MongoCatalogue) -> None:
    upload = catalogue.uploads.save(an_upload(), [an_event("e"), an_event("f")])
    catalogue.uploads.save(an_upload("quiet"))
    catalogue.outbox.mark_published(["e"])
    assert _waiting(catalogue) == {"u1"}
    catalogue.outbox.mark_published(["f"])
    assert _waiting(catalogue) == set()
    catalogue.uploads.save(upload, [an_event("g")])
    assert ids(catalogue.outbox.pending()) == ["g"]
    with catalogue._database.collection("uploads") as uploads:
        plan = uploads.find({"waiting_since": {"$gt": 0}}).sort("waiting_since").explain()
    assert "waiting_since_1" in str(plan["queryPlanner"]["winningPlan"])


def _waiting(catalogue: MongoCatalogue) -> set[str]:
    with catalogue._database.collection("uploads") as uploads:
        return {document["_id"] for document in uploads.find({"waiting_since": {"$exists": True}})}


def test_an_older_program_beside_a_newer_one_keeps_the_fields_it_does_not_know(catalogue: MongoCatalogue) -> None:
    stored = catalogue.uploads.save(an_upload())
    with catalogue._database.collection("uploads") as uploads:
        uploads.update_one({"_id": "u1"}, {"$set": {"of_tomorrow": 1}, "$unset": {"attempt": 1}})
    assert catalogue.uploads.get("u1") == stored
    catalogue.uploads.save(replace(stored, filename="new.mp3"))
    with catalogue._database.collection("uploads") as uploads:
        document = uploads.find_one({"_id": "u1"})
    assert document is not None
    assert (document["of_tomorrow"], document["attempt"], document["filename"]) == (1, 1, "new.mp3")


def test_uploads_in_a_state_are_limited(catalogue: MongoCatalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo_catalogue, "SWEPT_AT_ONCE", 3)
    for n in range(5):
        catalogue.uploads.save(an_upload(f"u{n}", updated_at=at(n)))
    assert ids(catalogue.uploads.in_state((UploadState.RECEIVED,), updated_before=at(99))) == ["u0", "u1", "u2"]


def test_waiting_uploads_are_read_from_an_index(catalogue: MongoCatalogue) -> None:
    catalogue.uploads.save(an_upload(waiting_for="s1"))
    with catalogue._database.collection("uploads") as uploads:
        plan = uploads.find({"waits_for": "s1"}).explain()
    assert "waits_for_1" in str(plan["queryPlanner"]["winningPlan"])


def test_a_limit_of_zero_gives_nothing(catalogue: MongoCatalogue) -> None:
    catalogue.songs.save(a_song())
    catalogue.libraries.add("ana", "s1", at(0))
    assert catalogue.songs.list_visible(order="newest", limit=0) == []
    assert catalogue.libraries.songs("ana", limit=0) == []
