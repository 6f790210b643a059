"""What all embedded engines rest on: connections, transactions, migrations, errors."""

import multiprocessing
import os
import sqlite3
import threading
import warnings
from pathlib import Path

import pytest

from demixer.adapters.sqlite.database import Database, path_of
from demixer.domain.errors import ConfigurationError, DemixerError, StorageFull, Transient
from tests.contract.sqlite_disk import fill_disk

FIRST = """
CREATE TABLE words (word TEXT PRIMARY KEY); -- with a comment; and a semicolon
INSERT INTO words VALUES ('from; the first');
"""
SECOND = """
ALTER TABLE words ADD COLUMN length INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER counted AFTER INSERT ON words BEGIN
    UPDATE words SET length = length(NEW.word) WHERE word = NEW.word;
END;
"""


def opened(path: Path, *migrations: str) -> Database:
    return Database(path, migrations or (FIRST,), variable="CATALOGUE_URL")


def words(database: Database) -> list[str]:
    return [row["word"] for row in database.rows("SELECT word FROM words ORDER BY word")]


def add(database: Database, word: str) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO words (word) VALUES (?)", (word,))


def add_and_fail(database: Database, word: str, error: Exception) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO words VALUES (?)", (word,))
        raise error


def test_urls_name_absolute_and_relative_files() -> None:
    assert path_of("sqlite:////var/lib/a b%20c.db", "X") == Path("/var/lib/a b%20c.db")
    assert path_of("sqlite:///data/a.db", "X") == Path("data/a.db")


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite:///", "/data/a.db"])
def test_a_url_without_a_file_is_refused_with_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(ConfigurationError, match="EVENTS_URL"):
        path_of(url, "EVENTS_URL")


def test_it_makes_the_folder_and_runs_every_migration(tmp_path: Path) -> None:
    database = opened(tmp_path / "deep" / "er" / "a.db", FIRST, SECOND)
    add(database, "abc")
    assert [tuple(row) for row in database.rows("SELECT * FROM words")] == [("from; the first", 0), ("abc", 3)]
    assert database.rows("PRAGMA journal_mode")[0][0] == "wal"
    database.close()


def test_an_older_file_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    old = opened(tmp_path / "a.db", FIRST)
    add(old, "kept")
    old.close()
    new = opened(tmp_path / "a.db", FIRST, SECOND)
    assert words(new) == ["from; the first", "kept"]
    assert new.rows("PRAGMA user_version")[0][0] == 2
    new.close()


def test_a_file_from_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    opened(tmp_path / "a.db", FIRST, SECOND).close()
    with pytest.raises(ConfigurationError, match=r"CATALOGUE_URL: .*a\.db was written by a newer version") as caught:
        opened(tmp_path / "a.db", FIRST)
    assert "its schema is 2, known here: 1" in str(caught.value)
    again = opened(tmp_path / "a.db", FIRST, SECOND)
    assert words(again) == ["from; the first"]
    again.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path / "a.db", FIRST).close()
    with pytest.raises(ConfigurationError, match="no such table: nowhere"):
        opened(tmp_path / "a.db", FIRST, "CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);")
    again = opened(tmp_path / "a.db", FIRST)
    assert again.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") is None
    again.close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(
        ConfigurationError, match=r"CATALOGUE_URL: cannot use .*a\.db as a SQLite database: file is not"
    ):
        opened(path)
    assert path.read_bytes() == b"not a database, " * 100


def test_a_path_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"CATALOGUE_URL: .*(Not a directory|File exists)"):
        opened(tmp_path / "file" / "a.db")
    with pytest.raises(ConfigurationError, match=r"CATALOGUE_URL: .*unable to open"):
        opened(tmp_path)


def test_several_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open_and_add, args=(tmp_path / "a.db", f"p{n}")) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    database = opened(tmp_path / "a.db", FIRST, SECOND)
    assert len(words(database)) == 1 + 3 * 10
    database.close()


def _open_and_add(path: Path, word: str) -> None:
    for n in range(10):
        database = opened(path, FIRST, SECOND)
        add(database, f"{word}-{n}")
        database.close()


def test_many_threads_open_a_new_file_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            _open_and_add(tmp_path / "a.db", f"t{n}")
        except BaseException as error:
            failures.append(error)

    run_all([threading.Thread(target=work, args=(n,)) for n in range(8)])
    assert failures == []


def test_more_threads_than_connections_write_and_read(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")

    def work(n: int) -> None:
        add(database, f"{n}")
        words(database)

    run_all([threading.Thread(target=work, args=(n,)) for n in range(60)])
    assert len(words(database)) == 61
    database.close()


def test_an_exception_rolls_back(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    with pytest.raises(RuntimeError, match="mine"):
        add_and_fail(database, "gone", RuntimeError("mine"))
    add(database, "next")
    assert words(database) == ["from; the first", "next"]
    database.close()


def test_a_snapshot_does_not_see_what_is_written_meanwhile(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    with database.snapshot() as connection:
        before = connection.execute("SELECT count(*) FROM words").fetchone()[0]
        add(database, "new")
        assert connection.execute("SELECT count(*) FROM words").fetchone()[0] == before
    assert len(words(database)) == before + 1
    database.close()


def test_the_data_version_changes_with_a_commit_of_this_or_another_owner(tmp_path: Path) -> None:
    database, other = opened(tmp_path / "a.db"), opened(tmp_path / "a.db")
    versions = [database.data_version(), database.data_version()]
    assert versions[0] == versions[1]
    for writer in (database, other):
        add(writer, str(id(writer)))
        versions.append(database.data_version())
    assert len(set(versions)) == 3
    database.close()
    other.close()


def test_a_lock_that_is_never_released_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demixer.adapters.sqlite.database.BUSY_SECONDS", 0.05)
    database = opened(tmp_path / "a.db")
    rude = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    rude.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient) as caught:
        add(database, "never")
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    rude.close()
    add(database, "now")
    database.close()


def test_a_full_disk_is_storage_full_and_reading_goes_on(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    fill_disk(database)
    with pytest.raises(StorageFull) as caught:
        add(database, "x" * 100_000)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert words(database) == ["from; the first"]
    database.close()


def test_a_mistake_in_sql_is_an_error_of_ours_with_its_cause(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    with pytest.raises(DemixerError) as caught:
        database.rows("SELECT nothing FROM nowhere")
    assert not isinstance(caught.value, Transient)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    database.close()


def test_closing_twice_is_fine_and_leaves_one_file(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    database.data_version()
    database.close()
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    with pytest.raises(DemixerError, match="used after close"):
        database.rows("SELECT 1")


def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.db")
    with database.read() as inherited:
        pass
    child = _fork()
    if child == 0:
        with database.read() as own:
            pass
        add(database, "by the child")
        database.close()
        os._exit(1 if own is inherited else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    add(database, "by the parent")
    assert words(database) == ["by the child", "by the parent", "from; the first"]
    database.close()


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, that other tests left
        return os.fork()


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
