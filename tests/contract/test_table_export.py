"""The tables of both engines as rows: the same rows, exactly, and in the same order."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from demixer import wiring
from demixer.domain import Failure, SongState, Stem
from demixer.ports.table_export import Row, TableExport, fingerprints
from tests.contract.catalogue import NOON, a_separation, a_song, an_analysis, an_event, an_upload
from tests.servers import Engine
from tests.wired import settings_in

Openers = tuple[Callable[[], TableExport], Callable[[], TableExport]]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[list[TableExport]]:
    """A catalogue and accounts with something in every table."""
    settings = settings_in(tmp_path / "old")
    fill(settings.catalogue_url, settings.accounts_url)
    with (
        closing(wiring.open_catalogue_export(settings.catalogue_url)) as catalogue,
        closing(wiring.open_accounts_export(settings.accounts_url)) as accounts,
    ):
        yield [catalogue, accounts]


def fill(catalogue_url: str, accounts_url: str) -> None:
    with closing(wiring.open_catalogue(catalogue_url)) as catalogue:
        upload = catalogue.uploads.save(an_upload(song_id="s1", failure=Failure("too-long", {"max_minutes": 20.5})))
        catalogue.uploads.save(replace(upload, hidden=True), [an_event("e")])
        for state in SongState:
            catalogue.songs.save(a_song(state.value, state=state))
        catalogue.songs.count_play("active")
        catalogue.songs.link_file("transcode", "active")
        catalogue.separations.save(a_separation(stems=(Stem(name="vocals", peak=0.5),)))
        catalogue.libraries.add("ana", "active", NOON)
        catalogue.analyses.save(an_analysis(shifted_fingerprint=b"\x00\xff"))
    with closing(wiring.open_accounts(accounts_url)) as accounts:
        accounts.create("ana@example.com", "correct horse battery", "Ana", NOON)
        accounts.create_token("ana@example.com", NOON)


class TableExportContract:
    @pytest.fixture
    def target(self) -> list[TableExport]:
        raise NotImplementedError

    def test_rows_are_kept_exactly(self, source: list[TableExport], target: list[TableExport]) -> None:
        for ours, theirs in zip(source, target, strict=True):
            for table in ours.tables:
                rows = list(ours.rows(table))
                theirs.put(table, rows)
                assert list(theirs.rows(table)) == rows
                assert rows, table

    def test_putting_again_replaces_and_removing_again_is_fine(self, target: list[TableExport]) -> None:
        accounts = target[1]
        accounts.put("people", [a_person("a"), a_person("b")])
        accounts.put("people", [a_person("b", name="Ben")])
        assert list(accounts.rows("people")) == [a_person("a"), a_person("b", name="Ben")]
        for _ in range(2):
            accounts.remove("people", [a_person("a")])
            assert list(accounts.rows("people")) == [a_person("b", name="Ben")]

    def test_keys_of_several_fields_are_in_order_and_read_over_many_pages(
        self, target: list[TableExport], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("sqlite", "mongo"):
            monkeypatch.setattr(f"demixer.adapters.{module}.table_export.PAGE", 3)
        kept = [kept_song(person, song) for person in ("a", "a-b", "a.b", "ab", "é", "🎵") for song in ("1", "12", "2")]
        target[0].put("libraries", kept[::-1])
        assert list(target[0].rows("libraries")) == kept
        target[0].remove("libraries", kept[1::2])
        assert list(target[0].rows("libraries")) == kept[::2]

    def test_hashes_are_in_order(self, target: list[TableExport]) -> None:
        tokens = [{"hash": f"{n:064x}", "person_id": "a", "created_at": "then"} for n in (0, 127, 128, 255, 2**255)]
        target[1].put("tokens", tokens[::-1])
        assert list(target[1].rows("tokens")) == tokens


def test_withdrawn_songs_have_no_fingerprint_and_those_taken_down_keep_theirs(source: list[TableExport]) -> None:
    assert [song_id for song_id, _ in fingerprints(source[0].rows("songs"))] == [
        "active",
        "merged",
        "pending",
        "taken_down",
    ]


def test_of_rows_without_a_state_those_that_were_not_removed_have_a_fingerprint() -> None:
    songs = [{"id": str(n), "fingerprint": "AAE=", "removed": removed} for n, removed in enumerate((False, True))]
    assert list(fingerprints(songs)) == [("0", b"\x00\x01")]


class TestSqliteTableExport(TableExportContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[list[TableExport]]:
        settings = settings_in(tmp_path / "new")
        with (
            closing(wiring.open_catalogue_export(settings.catalogue_url)) as catalogue,
            closing(wiring.open_accounts_export(settings.accounts_url)) as accounts,
        ):
            yield [catalogue, accounts]


class TestMongoTableExport(TableExportContract):
    @pytest.fixture
    def target(self, mongodb: Engine) -> Iterator[list[TableExport]]:
        url = mongodb.fresh()
        with (
            closing(wiring.open_catalogue_export(url)) as catalogue,
            closing(wiring.open_accounts_export(url)) as accounts,
        ):
            yield [catalogue, accounts]


def a_person(person_id: str, name: str = "Somebody") -> Row:
    return {"id": person_id, "email": f"{person_id}@b.cc", "name": name, "password": "hash", "created_at": "then"}


def kept_song(person_id: str, song_id: str) -> Row:
    return {"person_id": person_id, "song_id": song_id, "kept_at": "then"}
