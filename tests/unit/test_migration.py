"""`demixer migrate` from one folder to another, stopped in the middle, damaged, refused, and used afterwards."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumers.framework import dead_letters
from demixer import wiring
from demixer.cli import main
from demixer.domain.errors import StorageFull
from demixer.ports import Files
from demixer.ports.table_export import Row, TableExport
from demixer.runtime import instance_lock
from demixer.services.migration import files as migration_files
from demixer.services.migration import rows as migration_rows
from demixer.services.migration.comparing import compared, place
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.installations import PASSWORD, contents, furnish
from tests.steps import sent
from tests.wired import Clock, a_person, open_in, published, settings_in

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("furnished") / "old"
    return folder, furnish(folder)


@pytest.fixture
def made(tmp_path: Path, furnished: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """A furnished services in `old`."""
    shutil.copytree(furnished[0], tmp_path / "old")
    return furnished[1]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("--from", ...)` gives exit code, output and errors of `demixer migrate`; the environment names `here`."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "here"))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main.run_command(("migrate", *arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def migrate(run: Run, tmp_path: Path) -> Run:
    """From `old` to `new`, with more arguments."""
    return lambda *more: run("--from", f"file://{tmp_path}/old", "--to", f"file://{tmp_path}/new", *more)


def rows(folder: Path) -> dict[str, list[Row]]:
    """All that the catalogue and the accounts hold."""
    settings = settings_in(folder)
    found = {}
    for open_, url in (
        (wiring.open_catalogue_export, settings.catalogue_url),
        (wiring.open_accounts_export, settings.accounts_url),
    ):
        with closing(open_(url)) as export:
            found.update({table: list(export.rows(table)) for table in export.tables})
    return found


def services(folder: Path) -> Services:
    return open_in(folder, Clock())


def files(folder: Path) -> dict[str, bytes]:
    with closing(services(folder)) as opened:
        return contents(opened)


def state(folder: Path) -> dict[str, bytes]:
    """Every byte below a folder, but for what SQLite writes by itself in passing."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".db-wal", ".db-shm", ".lock")
    }


def test_the_new_place_holds_the_same_rows_and_files(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    before, kept = rows(tmp_path / "old"), files(tmp_path / "old")
    code, out, err = migrate()
    assert (code, "Everything is carried and verified." in out) == (0, True), out + err
    assert rows(tmp_path / "new") == before == rows(tmp_path / "old")
    assert files(tmp_path / "new") == kept == files(tmp_path / "old")
    assert all(before.values())  # some of everything
    assert len(kept) > 8


def test_every_table_is_listed_with_its_counts(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    _, out, _ = migrate()
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:10]}
    assert lines["people"][:2] == ["2", "2"]
    assert lines["uploads"][:2] == ["5", "5"]
    assert lines["files"][0] == str(len(files(tmp_path / "old")))
    assert {words[-1] for words in lines.values()} == {"equal"}


def test_people_sign_in_as_before(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    migrate()
    with closing(services(tmp_path / "new")) as new:
        ana = new.accounts.authenticate("ana@example.com", PASSWORD)
        assert ana is not None
        assert new.accounts.by_token(made["token"]) == ana
        assert new.accounts.authenticate("ben@example.com", "another password") is None


def test_everything_derived_is_made_anew(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    migrate()
    with closing(services(tmp_path / "new")) as new:
        ready = new.catalogue.uploads.get(made["ready"])
        assert ready is not None
        song = new.catalogue.songs.get(ready.song_id or "")
        assert song is not None
        assert [found.id for found in new.search.search("nandu cancion", limit=5).songs] == [song.id]
        assert new.fingerprints.candidates([song.fingerprint]) == [song.id]
        assert song.plays == 3
        (removed,) = [one for one in (new.catalogue.songs.get(row["id"]) for row in _removed(tmp_path)) if one]
        assert removed.is_removed
        assert new.fingerprints.candidates([removed.fingerprint]) == []


def _removed(tmp_path: Path) -> Iterator[Row]:
    return (row for row in rows(tmp_path / "new")["songs"] if row["state"] == "withdrawn")


def test_events_in_the_outbox_are_published_to_the_new_log(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    migrate()
    with closing(services(tmp_path / "new")) as new:
        events = {(event.type, event.subject) for event in published(new)}
        letters = dead_letters.waiting(new.events)
        assert new.catalogue.outbox.pending() == []
    assert {("upload.received", made["waiting"]), ("upload.received", made["pending"])} <= events
    assert ("upload.withdrawn", made["removed"]) in events
    assert [(letter.message.value, letter.message.headers["a"], letter.why) for letter in letters] == [
        (b"\xffnonsense", "b", "Refused: not-audio")
    ]


def test_what_every_group_has_handled_is_not_published_again(
    migrate: Run, made: dict[str, str], tmp_path: Path
) -> None:
    with closing(services(tmp_path / "old")) as old:
        subscription = old.events.subscribe(["matching"], group="match", member="m")
        while message := subscription.poll(0):
            subscription.commit(message)
        subscription.close()
    migrate()
    with closing(services(tmp_path / "new")) as new:
        assert published(new, "matching") == []
        assert published(new, "uploads") != []


def test_a_second_run_changes_nothing(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    migrate()
    before = state(tmp_path / "new")
    code, out, err = migrate()
    assert (code, "DIFFER" in out, "only compared" in err) == (0, False, True)
    assert state(tmp_path / "new") == before


def test_the_source_is_only_read(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    before = state(tmp_path / "old")
    migrate()
    assert state(tmp_path / "old") == before


def test_after_it_was_finished_what_the_target_got_since_is_safe(
    migrate: Run, made: dict[str, str], tmp_path: Path
) -> None:
    migrate()
    with closing(services(tmp_path / "new")) as new:
        late = sent(new, "ana", b"sent to the new place")
    code, out, err = migrate()
    assert (code, late.id in out, "--again" in err) == (1, True, True)
    assert late.id in {row["id"] for row in rows(tmp_path / "new")["uploads"]}
    assert migrate("--again")[0] == 0
    assert rows(tmp_path / "new") == rows(tmp_path / "old")
    assert files(tmp_path / "new") == files(tmp_path / "old")


@pytest.mark.parametrize("stop_after", ["people", "songs", "files"])
def test_a_run_that_was_killed_is_taken_up_though_the_source_went_on(
    migrate: Run, made: dict[str, str], tmp_path: Path, stop_after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_after(patch, stop_after)
        assert migrate()[0] != 0
    with closing(services(tmp_path / "old")) as old:
        sent(old, "ben", b"while it was stopped")
        old.files.delete("songs/big/file.flac")
        person = old.accounts.authenticate("ben@example.com", PASSWORD)
        assert person is not None
        ready = old.catalogue.uploads.get(made["ready"])
        assert ready is not None
        old.catalogue.libraries.remove(person.id, ready.song_id or "")
    assert migrate()[0] == 0
    assert rows(tmp_path / "new") == rows(tmp_path / "old")
    assert files(tmp_path / "new") == files(tmp_path / "old")


def _stop_after(patch: pytest.MonkeyPatch, table: str) -> None:
    carry_rows, copy = migration_rows.carry, migration_files._copy

    def stopping_rows(source: TableExport, target: TableExport, name: str) -> None:
        carry_rows(source, target, name)
        if name == table:
            raise KeyboardInterrupt

    def stopping_copy(source: Files, target: Files, key: str) -> tuple[int, str]:
        if table == "files" and key.startswith("uploads"):
            raise KeyboardInterrupt
        return copy(source, target, key)

    patch.setattr(migration_rows, "carry", stopping_rows)
    patch.setattr(migration_files, "_copy", stopping_copy)


@pytest.mark.thorough
@pytest.mark.parametrize("files_there", [1, 25])
def test_kill_9_in_the_middle_and_the_same_command_again(
    migrate: Run, made: dict[str, str], tmp_path: Path, files_there: int
) -> None:
    with closing(services(tmp_path / "old")) as old:
        for number in range(60):
            store_bytes(old.files, f"songs/many/{number}.flac", bytes([number]) * 300_000)
    command = [sys.executable, "-m", "demixer.cli.main", "migrate", "--from", f"file://{tmp_path}/old"]
    with subprocess.Popen([*command, "--to", f"file://{tmp_path}/new"], stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("new/files/songs/many/*"))) < files_there:
            assert running.poll() is None, "it was over before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert migrate()[0] == 0
    assert rows(tmp_path / "new") == rows(tmp_path / "old")
    assert files(tmp_path / "new") == files(tmp_path / "old")
    assert list(tmp_path.glob("new/files/.incoming/*")) == []


def test_a_damaged_file_is_found_and_carried_again_when_asked(
    migrate: Run, made: dict[str, str], tmp_path: Path
) -> None:
    migrate()
    damaged = tmp_path / "new/files/songs/big/file.flac"
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:])
    for arguments in ((), ("--verify-only",)):
        code, out, _ = migrate(*arguments)
        assert (code, "1 DIFFER: songs/big/file.flac" in out) == (1, True)
    assert migrate("--quick")[0] == 0  # which looks at sizes
    assert migrate("--again")[0] == 0
    assert migrate("--verify-only")[0] == 0


def test_a_file_that_a_store_damages_on_the_way_is_found_at_once(
    migrate: Run, made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = migration_files._copy

    def damaging(source: Files, target: Files, key: str) -> tuple[int, str]:
        copied = copy(source, target, key)
        if key == "songs/big/file.flac":
            (tmp_path / "new/files" / key).write_bytes(b"short")
        return copied

    with monkeypatch.context() as patch:
        patch.setattr(migration_files, "_copy", damaging)
        code, out, err = migrate()
    assert (code, "1 DIFFER: songs/big/file.flac" in out, "not finished" in err) == (1, True, True)
    assert migrate()[0] == 0


def test_verifying_alone_carries_nothing(migrate: Run, made: dict[str, str], tmp_path: Path) -> None:
    code, out, _ = migrate("--verify-only")
    assert (code, out.count("DIFFER")) == (1, 9)
    assert files(tmp_path / "new") == {}
    assert not any(rows(tmp_path / "new").values())


@pytest.mark.parametrize("what", ["people", "uploads", "files"])
def test_another_installation_is_never_mixed_with_this_one(
    migrate: Run, made: dict[str, str], tmp_path: Path, what: str
) -> None:
    with closing(services(tmp_path / "new")) as new:
        if what == "people":
            a_person(new, "eva@example.com")
        elif what == "uploads":
            new.files.delete(sent(new, "eva", b"another song").audio_key)
        else:
            store_bytes(new.files, "songs/x/y", b"z")
    before = rows(tmp_path / "new"), files(tmp_path / "new")
    for arguments in ((), ("--again",), ("--quick",)):
        code, out, err = migrate(*arguments)
        assert (code, out, f"there are {what} already" in err) == (2, "", True)
    assert (rows(tmp_path / "new"), files(tmp_path / "new")) == before


@pytest.mark.parametrize("folder", ["old", "new"])
def test_neither_may_run_meanwhile(migrate: Run, made: dict[str, str], tmp_path: Path, folder: str) -> None:
    with instance_lock.stopped(settings_in(tmp_path / folder).data_dir):
        code, out, err = migrate()
    assert (code, out, "already runs in" in err) == (2, "", True)
    assert migrate()[0] == 0


def test_what_is_not_named_is_what_the_environment_names(run: Run, made: dict[str, str], tmp_path: Path) -> None:
    assert run("--from", f"file://{tmp_path}/old")[0] == 0
    assert rows(tmp_path / "here") == rows(tmp_path / "old")
    assert run("--to", f"file://{tmp_path}/back")[0] == 0
    assert rows(tmp_path / "back") == rows(tmp_path / "old")
    assert files(tmp_path / "back") == files(tmp_path / "old")


def test_an_installation_may_stand_in_a_file_and_share_parts(run: Run, made: dict[str, str], tmp_path: Path) -> None:
    environment = tmp_path / "new.env"
    environment.write_text(
        "# the new one\n\n"
        f"DATA_DIR={tmp_path}/new\n"
        f'export FILES_URL="file://{tmp_path}/old/files"\n'
        f"ACCOUNTS_URL=sqlite:///{tmp_path}/old/accounts.db\n"
    )
    before = contents_of(tmp_path / "old/files")
    code, out, _ = run("--from", f"file://{tmp_path}/old", "--to", f"env://{environment}")
    assert (code, "people" in out, "\nfiles" in out) == (0, False, False)
    assert rows(tmp_path / "new")["songs"] == rows(tmp_path / "old")["songs"]
    assert not (tmp_path / "new/files").exists()
    assert contents_of(tmp_path / "old/files") == before


def contents_of(folder: Path) -> dict[str, bytes]:
    with closing(open_in(folder.parent, Clock(), files_url=f"file://{folder}")) as opened:
        return contents(opened)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name an installation"),
        (("--from", "file:///nowhere/at/all"), "--from: /nowhere/at/all holds no installation"),
        (("--from", "old"), "--from: 'old' names no installation"),
        (("--from", "sqlite:///{tmp}/old/catalogue.db"), "names no installation"),
        (("--to", "env://{tmp}/none.env"), "--to: cannot read"),
        (("--to", "env://{tmp}/bad.env"), "--to: a line is not NAME=value"),
        (("--to", "env://{tmp}/wrong.env"), "CATALOGUE_URL: "),
        (("--from", "file://{tmp}/old", "--to", "file://{tmp}/old"), "--to: this is the installation that is carried"),
    ],
)
def test_what_cannot_be_carried_is_said_before_anything_is_written(
    run: Run, made: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    (tmp_path / "bad.env").write_text("SECRET_KEY=one\ntop secret\n")
    (tmp_path / "wrong.env").write_text(f"DATA_DIR={tmp_path}/new\nCATALOGUE_URL=postgres://me:top-secret@db/x\n")
    code, out, err = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert (code, out, text in err) == (2, "", True), err
    assert "top" not in err.replace("stop", "")


def test_it_says_that_sessions_need_the_same_key(run: Run, made: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "old/secret-key").write_text("one")
    (tmp_path / "same.env").write_text(f"DATA_DIR={tmp_path}/same\nSECRET_KEY=one\n")
    assert "SECRET_KEY" not in run("--from", f"file://{tmp_path}/old", "--to", f"env://{tmp_path}/same.env")[1]
    assert f"{tmp_path}/old/secret-key" in run("--from", f"file://{tmp_path}/old", "--to", f"file://{tmp_path}/new")[1]


def test_a_store_that_is_full_is_said_and_the_rest_goes_on_later(
    migrate: Run, made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Files, target: Files, key: str) -> tuple[int, str]:
        raise StorageFull(key=key)

    with monkeypatch.context() as patch:
        patch.setattr(migration_files, "_copy", full)
        code, _, err = migrate()
    assert (code, "full" in err, "goes on where it stopped" in err) == (1, True, True)
    assert migrate()[0] == 0


def test_a_table_in_which_an_address_went_to_somebody_else_is_carried(
    migrate: Run, made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_after(patch, "people")
        migrate()
    with closing(wiring.open_accounts_export(settings_in(tmp_path / "old").accounts_url)) as export:
        (ana, *_) = export.rows("people")
        export.remove("people", [ana])
        export.put("people", [{**ana, "id": "0" * 20}, {**ana, "id": "f" * 20, "email": "new@b.cc"}])
    assert migrate()[0] == 0
    assert rows(tmp_path / "new")["people"] == rows(tmp_path / "old")["people"]


def test_a_comparison_counts_both_sides_and_names_a_few() -> None:
    pairs = [(f"k{n}", "same", "same") for n in range(3)] + [(f"x{n}", "ours", None) for n in range(7)]
    found = compared("songs", pairs)
    assert (found.source.count, found.target.count, found.differing, found.equal) == (10, 3, 7, False)
    assert found.named == [f"x{n}" for n in range(5)]
    assert compared("", [("a", "bc", None)]).source.checksum != compared("", [("ab", "c", None)]).source.checksum
    assert compared("songs", []).equal


def test_another_password_is_the_same_place() -> None:
    assert place("mongodb://u:one@db/x?tls=true") == place("mongodb://v:two@db/x?tls=true") == "mongodb://db/x?tls=true"
    assert place("s3://bucket/folder") != place("s3://bucket/other")
