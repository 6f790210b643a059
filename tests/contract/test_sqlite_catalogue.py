import base64
import functools
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from demixer.adapters.common.documents import to_document
from demixer.adapters.sqlite import catalogue as sqlite_catalogue
from demixer.adapters.sqlite.catalogue import MIGRATIONS, SqliteCatalogue, SqliteSongs, _prepare
from demixer.adapters.sqlite.database import Database
from demixer.domain import Tags, UploadState
from demixer.domain.errors import StorageFull
from demixer.ports import Catalogue
from tests.contract.catalogue import STORED_BEFORE, CatalogueContract, Opener, a_song, an_event, an_upload, at, ids
from tests.contract.sqlite_disk import fill_disk


class TestSqliteCatalogue(CatalogueContract):
    @pytest.fixture
    def open_catalogue(self, tmp_path: Path) -> Opener:
        return functools.partial(SqliteCatalogue, tmp_path / "catalogue.db")

    @pytest.fixture
    def old_catalogue(self, tmp_path: Path) -> Iterator[Catalogue]:
        store_as_before(tmp_path / "old.db")
        with closing(SqliteCatalogue(tmp_path / "old.db")) as catalogue:
            yield catalogue


def store_as_before(path: Path) -> None:
    """Into a new file: what `STORED_BEFORE` says."""
    old = Database(path, MIGRATIONS[:2], variable="CATALOGUE_URL", prepare=_prepare)
    with closing(old), old.write() as connection:
        for table, row in ((table, row) for table, rows in STORED_BEFORE.items() for row in rows):
            columns = {**row, "body": json.dumps(row["body"], ensure_ascii=False)}
            if "fingerprint" in row:
                columns["fingerprint"] = base64.b64decode(row["fingerprint"])
            names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", columns)


def test_a_full_disk_stores_neither_the_change_nor_its_events(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    stored = catalogue.uploads.save(an_upload())
    fill_disk(catalogue._database)
    with pytest.raises(StorageFull):
        catalogue.uploads.save(replace(stored, filename="x" * 10), [an_event("big", text="x" * 1_000_000)])
    assert catalogue.uploads.get("u1") == stored
    assert catalogue.outbox.pending() == []
    catalogue.close()


def test_plays_counted_by_many_threads_all_count(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    catalogue.songs.save(a_song())
    threads = [threading.Thread(target=catalogue.songs.count_play, args=("s1",)) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    song = catalogue.songs.get("s1")
    assert song is not None
    assert song.plays == 30
    catalogue.close()


@pytest.mark.parametrize("order", SqliteSongs.ORDERS)
def test_every_order_of_songs_is_read_from_an_index(tmp_path: Path, order: str) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    sql = f"EXPLAIN QUERY PLAN SELECT songs.* FROM songs WHERE shown ORDER BY {SqliteSongs.ORDERS[order]} LIMIT 1"
    (step,) = catalogue._database.rows(sql)
    assert "USING INDEX songs_" in step["detail"]
    catalogue.close()


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    with pytest.raises(ValueError, match="without a time zone"):
        catalogue.uploads.save(an_upload(created_at=at(0).replace(tzinfo=None)))
    catalogue.close()


def test_a_field_that_was_added_later_takes_its_default_in_old_rows(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    catalogue.uploads.save(an_upload())
    with sqlite3.connect(tmp_path / "c.db") as connection:
        connection.execute("UPDATE uploads SET body = json_set(json_remove(body, '$.attempt'), '$.of_tomorrow', 1)")
    connection.close()
    upload = catalogue.uploads.get("u1")
    assert upload == an_upload(version=1)
    catalogue.close()


def test_uploads_in_a_state_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_catalogue, "SWEPT_AT_ONCE", 10)
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    for n in range(13):
        catalogue.uploads.save(an_upload(f"u{n}", updated_at=at(n)))
    found = catalogue.uploads.in_state((UploadState.RECEIVED,), updated_before=at(5000))
    assert ids(found) == [f"u{n}" for n in range(10)]
    catalogue.close()


def test_waiting_uploads_are_read_from_an_index(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    sql = "EXPLAIN QUERY PLAN SELECT * FROM uploads WHERE waits_for = 's1' ORDER BY updated_at, rowid"
    (step,) = catalogue._database.rows(sql)
    assert "USING INDEX uploads_waiting" in step["detail"]
    catalogue.close()


def test_songs_of_the_first_schema_are_found_by_prefix(tmp_path: Path) -> None:
    old = Database(tmp_path / "c.db", MIGRATIONS[:1], variable="CATALOGUE_URL")
    body = json.dumps({**to_document(a_song(tags=Tags(artist="Ñandú"))), "version": None})
    with old.write() as connection:
        row = (body, b"", at(0).isoformat())
        connection.execute("INSERT INTO songs VALUES ('s1', 1, ?, ?, 0, 'sha', FALSE, TRUE, ?)", row)
    old.close()
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    assert ids(catalogue.songs.list_visible(order="newest", limit=10, prefix="nandu")) == ["s1"]
    catalogue.close()


def test_prefixes_are_read_from_the_indexes(tmp_path: Path) -> None:
    catalogue = SqliteCatalogue(tmp_path / "c.db")
    songs = catalogue.songs
    assert isinstance(songs, SqliteSongs)
    which, bounds = songs._begins("abba")
    steps = catalogue._database.rows(f"EXPLAIN QUERY PLAN SELECT id FROM songs WHERE shown{which}", bounds)
    used = [name for name in ("artist", "album", "title") if any(f"songs_by_{name}" in row["detail"] for row in steps)]
    assert used == ["artist", "album", "title"]
    catalogue.close()
