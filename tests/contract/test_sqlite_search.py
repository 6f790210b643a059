import functools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demixer.domain.errors import Conflict
from demixer.ports import SongDocument
from search.sqlite.search_index import SqliteSearch
from tests.contract.search import OpenIndex, SearchIndexContract, found, song


class TestSqliteSearch(SearchIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path: Path) -> OpenIndex:
        return functools.partial(SqliteSearch, tmp_path / "search.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.db"


@pytest.fixture
def index(path: Path) -> Iterator[SqliteSearch]:
    index = SqliteSearch(path)
    yield index
    index.close()


def terms_kept(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT DISTINCT term FROM near")}
    connection.close()
    return found


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    return found


def bookkeeping(path: Path) -> int:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM touched UNION ALL SELECT * FROM rebuild").fetchall()
    connection.close()
    return len(rows)


def test_terms_go_when_the_last_song_with_them_goes(index: SqliteSearch, path: Path) -> None:
    index.put([song("a", "Shared", "Only Mine"), song("b", "Shared", "Theirs")])
    assert terms_kept(path) == {"shared", "only", "mine", "theirs"}
    index.remove(["a"])
    assert terms_kept(path) == {"shared", "theirs"}
    index.put([song("b", "Changed", "Theirs", at=2)])
    assert terms_kept(path) == {"changed", "theirs"}


def test_a_removed_song_leaves_nothing_but_its_revision(index: SqliteSearch, path: Path) -> None:
    index.put([song("a", "Artist", "Title", at=4)])
    index.remove(["a"])
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM songs").fetchall() == [(1, "a", 4, *[None] * 8)]
    assert connection.execute("SELECT count(*) FROM texts").fetchone() == (0,)
    connection.close()


def test_a_rebuild_leaves_nothing_behind_whether_it_fails_or_not(index: SqliteSearch, path: Path) -> None:
    before = tables(path)

    def documents(last: int) -> Iterator[SongDocument]:
        yield song("a", "Artist", "Title")
        index.put([song("b", "Artist", "Title")])
        yield song("c", "Artist", str(1 // last))

    with pytest.raises(ZeroDivisionError):
        index.rebuild(documents(0))
    assert (tables(path), bookkeeping(path)) == (before, 0)
    assert index.rebuild(documents(1)) == 3
    assert (tables(path), bookkeeping(path)) == (before, 0)


def test_the_later_of_two_rebuilds_wins(index: SqliteSearch, path: Path) -> None:
    def overtaken() -> Iterator[SongDocument]:
        yield song("early", "Artist", "Early")
        index.rebuild([song("late", "Artist", "Late")])
        yield song("early too", "Artist", "Early")

    with pytest.raises(Conflict):
        index.rebuild(overtaken())
    assert found(index, "artist") == ["late"]


def test_a_search_sees_one_state_while_the_tables_are_swapped(index: SqliteSearch) -> None:
    done, wrong = threading.Event(), list[int]()

    def watch() -> None:
        while not done.is_set():
            page = index.search("artist", limit=50)
            if page.total != len(page.songs) or page.total not in (0, 30):
                wrong.append(page.total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        index.rebuild([song(f"s{number}", "Artist", f"Title {number}") for number in range(30)])
    done.set()
    watcher.join()
    assert wrong == []


def test_hits_beyond_the_first_ten_thousand_are_not_given(index: SqliteSearch) -> None:
    index.rebuild(song(f"s{number}", "Artist", f"Title {number}") for number in range(10_050))
    page = index.search("artist", limit=100, offset=9_990)
    assert (len(page.songs), page.total) == (10, 1_001)


def test_the_many_songs_of_one_put_are_all_found(index: SqliteSearch) -> None:
    index.put([song(f"s{number}", "Artist", "Same Title", plays=number % 13) for number in range(700)])
    index.put([song(f"s{number}", "Other", "Same Title", plays=number % 11) for number in range(300)])
    assert (index.search("artist", limit=1).total, index.search("other", limit=1).total) == (400, 300)
    assert index.search("same title", limit=1).total == 700
