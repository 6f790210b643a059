"""`demixer migrate` up to the engines and back, on real servers, and the service on both afterwards."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from consumers.framework import dead_letters
from demixer import wiring
from demixer.cli import main
from demixer.ports.table_export import Row
from demixer.runtime.settings import Settings, load
from demixer.services.storage import store_bytes
from demixer.wiring import Services, open_services, utc_now
from tests import music, small_models
from tests.e2e.service import Client, Service
from tests.installations import PASSWORD, contents, furnish
from tests.servers import Engine
from tests.steps import sent
from tests.wired import published

pytestmark = [pytest.mark.slow, pytest.mark.own_servers]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def engines(kafka: Engine, mongodb: Engine, elasticsearch: Engine, s3: Engine, tmp_path: Path) -> Mapping[str, str]:
    """The settings of an installation that is on the engines, still empty."""
    database = mongodb.fresh()
    return {
        "DATA_DIR": str(tmp_path / "engines"),
        "EVENTS_URL": kafka.fresh(),
        "CATALOGUE_URL": database,
        "ACCOUNTS_URL": database,
        "SEARCH_URL": elasticsearch.fresh(),
        "FILES_URL": s3.fresh(),
    }


@pytest.fixture
def run(engines: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`demixer migrate` where the environment names the engines."""
    for name, value in engines.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main.run_command(("migrate", *arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@contextmanager
def opened(settings: Settings) -> Iterator[Services]:
    with closing(open_services(settings)) as services:
        yield services


def embedded(folder: Path) -> Settings:
    return load({"DATA_DIR": str(folder)})


def rows(settings: Settings) -> dict[str, list[Row]]:
    found = {}
    for open_, url in (
        (wiring.open_catalogue_export, settings.catalogue_url),
        (wiring.open_accounts_export, settings.accounts_url),
    ):
        with closing(open_(url)) as export:
            found.update({table: list(export.rows(table)) for table in export.tables})
    return found


def files(settings: Settings) -> dict[str, bytes]:
    with opened(settings) as services:
        return contents(services)


def test_up_to_the_engines_and_back_is_the_same_to_the_last_byte(
    run: Run, engines: Mapping[str, str], tmp_path: Path
) -> None:
    made = furnish(tmp_path / "old")
    old, there, back = embedded(tmp_path / "old"), load(engines), embedded(tmp_path / "back")
    code, out, err = run("--from", f"file://{tmp_path}/old")
    assert code == 0, out + err
    assert rows(there) == rows(old)
    assert files(there) == files(old)
    with opened(there) as services:
        _works(services, made)
    assert run("--from", f"file://{tmp_path}/old")[0] == 0  # which only compares
    code, out, err = run("--to", f"file://{tmp_path}/back")
    assert code == 0, out + err
    assert rows(back) == rows(old)
    assert files(back) == files(old)
    with opened(back) as services:
        _works(services, made)
    for settings in (there, back):
        with opened(settings) as services:
            assert services.accounts.authenticate("ana@example.com", PASSWORD) is not None
            assert services.accounts.authenticate("ana@example.com", "another password") is None


def _works(services: Services, made: Mapping[str, str]) -> None:
    ana = services.accounts.by_token(made["token"])
    assert ana is not None
    assert ana.email == "ana@example.com"
    ready = services.catalogue.uploads.get(made["ready"])
    assert ready is not None
    song = services.catalogue.songs.get(ready.song_id or "")
    assert song is not None
    assert [found.id for found in services.search.search("nandu", limit=5).songs] == [song.id]
    assert services.fingerprints.candidates([song.fingerprint]) == [song.id]
    events = {(event.type, event.subject) for event in published(services, "uploads", "matching")}
    assert {("upload.received", made["waiting"]), ("upload.received", made["pending"])} <= events
    assert ("upload.withdrawn", made["removed"]) in events
    assert [letter.message.value for letter in dead_letters.waiting(services.events)] == [b"\xffnonsense"]


def test_kill_9_on_the_way_to_the_engines_and_the_same_command_again(
    run: Run, engines: Mapping[str, str], tmp_path: Path
) -> None:
    furnish(tmp_path / "old")
    old, there = embedded(tmp_path / "old"), load(engines)
    with opened(old) as services:
        for number in range(80):
            store_bytes(services.files, f"songs/many/{number}.flac", bytes([number]) * 100_000)
    for files_there in (1, 20, 60):
        _killed(tmp_path / "old", there, files_there)
    code, out, err = run("--from", f"file://{tmp_path}/old")
    assert code == 0, out + err
    assert rows(there) == rows(old)
    assert files(there) == files(old)


def _killed(source: Path, there: Settings, files_there: int) -> None:
    """A run, as soon as that many files have arrived."""
    store = wiring.open_files(there.files_url)
    command = [sys.executable, "-m", "demixer.cli.main", "migrate", "--from", f"file://{source}"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(store.keys("songs/many"))) < files_there:
        assert running.poll() is None, "it was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -signal.SIGKILL


def test_an_engine_that_is_away_is_said_and_the_rest_goes_on_later(
    run: Run, engines: Mapping[str, str], tmp_path: Path, s3: Engine
) -> None:
    furnish(tmp_path / "old")
    if s3.server is None:
        pytest.skip("the store is not ours to stop")
    s3.server.stop()
    try:
        code, out, err = run("--from", f"file://{tmp_path}/old")
        assert (code, out, "goes on where it stopped" in err) == (1, "", True), err
        assert "only-for-tests" not in err
    finally:
        s3.server.start()
    code, out, err = run("--from", f"file://{tmp_path}/old")
    assert code == 0, out + err
    assert files(load(engines)) == files(embedded(tmp_path / "old"))


def test_an_upload_that_waited_ends_ready_on_the_engines(engines: Mapping[str, str], tmp_path: Path) -> None:
    small_models.save(tmp_path / "models", "htdemucs")
    song = music.converted(music.stem_file(), tmp_path / "song.flac")
    with opened(embedded(tmp_path / "old")) as old:
        ana = old.accounts.create("ana@example.org", PASSWORD, "Ana", utc_now())
        waiting = sent(old, ana.id, song.read_bytes())
    models = {"MODELS_DIR": str(tmp_path / "models"), "MODEL": "htdemucs", "DEVICE": "cpu"}
    settings = {name: value for name, value in engines.items() if name != "DATA_DIR"}
    new = Service(tmp_path / "engines", **settings, **models)
    new.command("migrate", "--from", f"file://{tmp_path}/old")
    new.start()
    try:
        person = Client(new.url, new.command("token", "create", "ana@example.org").strip())
        assert person.ended(waiting.id)["status"] == "ready"
    finally:
        new.stop()
