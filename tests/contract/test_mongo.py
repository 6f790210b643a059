"""What all engines on MongoDB rest on: the client, migrations, errors, reconnection."""

import functools
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import errors

from demixer.adapters.mongo import catalogue as mongo_catalogue
from demixer.adapters.mongo import database as mongo
from demixer.adapters.mongo.accounts import MongoAccounts
from demixer.adapters.mongo.catalogue import MongoCatalogue
from demixer.adapters.mongo.database import Database, translation
from demixer.adapters.mongo.fingerprint_index import MongoFingerprints
from demixer.domain.errors import ConfigurationError, Conflict, DemixerError, StorageFull, Transient
from demixer.ports import Catalogue
from tests.contract.catalogue import a_song, an_event, an_upload, ids
from tests.ports import free_port
from tests.servers import BIN, Engine, Server, listens
from tests.wired import CHEAP

SECRET = "correct-horse"


@pytest.fixture
def server(mongodb: Engine) -> Iterator[Server]:
    """It runs again afterwards, also when the test failed."""
    if mongodb.server is None:
        pytest.skip("a server that TEST_MONGODB names is not ours to stop")
    yield mongodb.server
    if not listens(mongodb.server.port):
        mongodb.server.start()


def test_opening_connects_to_nothing(tmp_path: Path) -> None:
    url = f"mongodb://ana:{SECRET}@127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=100"
    catalogue = MongoCatalogue(url)
    with pytest.raises(Transient) as caught:
        catalogue.songs.get("s1")
    assert "Connection refused" in str(caught.value)
    assert "Topology" not in str(caught.value)
    assert SECRET not in str(caught.value) + str(caught.value.__cause__)
    catalogue.close()


def test_an_unknown_host_may_come_up_later() -> None:
    catalogue = MongoCatalogue(f"mongodb://ana:{SECRET}@mongo.invalid/x?serverSelectionTimeoutMS=100")
    with pytest.raises(Transient, match=r"mongo\.invalid") as caught:
        catalogue.outbox.pending()
    assert SECRET not in str(caught.value) + str(caught.value.__cause__)
    catalogue.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        f"mongodb://ana:{SECRET}/tail@host/x",
        f"mongodb://ana:{SECRET}@tail@host/x",
        f"mongodb://ana:{SECRET}?tail@host/x",
        f"mongodb://ana:{SECRET}%tail@host/x",
        f"mongodb://ana:{SECRET}@host:port/x",
        f"mongodb://ana:{SECRET}@host/a b",
        f"mongodb://ana:{SECRET}@host/x?tls=perhaps",
        f"mongodb://ana:{SECRET}@host/x?tsl=true",
        f"mongodb://ana:{SECRET}@host/x?tls=true&tlsCAFile=/not/there.pem",
        f"mongodb+srv://ana:{SECRET}@host:27017/x",
    ],
)
def test_a_wrong_url_is_refused_with_its_variable_and_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^CATALOGUE_URL: ") as caught:
        MongoCatalogue(url)
    assert SECRET not in str(caught.value) + str(caught.value.__cause__)
    assert "tail" not in str(caught.value) + str(caught.value.__cause__)
    with pytest.raises(ConfigurationError, match=r"^ACCOUNTS_URL: "):
        MongoAccounts(url)


def test_a_wrong_password_is_a_matter_of_configuration(tmp_path: Path) -> None:
    port = free_port()
    command = [str(BIN / "secantusd-py"), "--port", str(port), "--storage-path", str(tmp_path / "db"), "--auth"]
    server = Server(command, port, tmp_path / "log", listens)
    server.start()
    try:
        accounts = MongoAccounts(f"mongodb://ana:{SECRET}@127.0.0.1:{port}/x")
        with pytest.raises(
            ConfigurationError, match=r"^ACCOUNTS_URL: the server does not let us in: .*ailed"
        ) as caught:
            accounts.get("ana")
        assert SECRET not in str(caught.value) + str(caught.value.__cause__)
        accounts.close()
    finally:
        server.stop(signal.SIGKILL)


def test_the_url_sets_database_and_timeouts_but_not_the_concerns(mongodb: Engine) -> None:
    url = mongodb.fresh()
    asked = f"{url}{'&' if '?' in url else '?'}w=0&journal=false&readConcernLevel=local&timeoutMS=9999"
    database = Database(asked, "test", (), variable="X")
    with database.collection("things") as things:
        assert things.database.name == url.rpartition("/")[2].partition("?")[0]
        assert things.write_concern.document == {"w": "majority", "j": True}
        assert things.read_concern.document == {"level": "majority"}
        assert things.database.client.options.timeout == 9.999
        assert things.database.client.options.retry_writes
    database.close()


def test_a_url_without_a_database_means_demixer() -> None:
    database = Database("mongodb://host", "test", (), variable="X")
    assert database._database().name == "demixer"
    database.close()


def test_the_engines_of_one_url_share_a_client_that_closes_with_the_last(mongodb: Engine) -> None:
    url = mongodb.fresh()
    catalogue, accounts, fingerprints = MongoCatalogue(url), MongoAccounts(url, CHEAP), MongoFingerprints(url)
    assert len({id(one._client()) for one in (catalogue._database, fingerprints._database)}) == 1
    catalogue.close()
    catalogue.close()
    fingerprints.close()
    assert accounts.get("nobody") is None
    accounts.close()
    assert url not in mongo._shared_clients()._clients


def test_it_cannot_be_used_after_close(mongodb: Engine) -> None:
    catalogue = MongoCatalogue(mongodb.fresh())
    catalogue.songs.get("s1")
    catalogue.close()
    with pytest.raises(DemixerError, match="used after close"):
        catalogue.songs.get("s1")


def test_a_forked_child_uses_a_client_of_its_own(mongodb: Engine) -> None:
    catalogue = MongoCatalogue(mongodb.fresh())
    catalogue.songs.save(a_song("by-the-parent"))
    inherited = catalogue._database._client()
    child = _fork()
    if child == 0:
        _in_the_child(catalogue, inherited)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids(catalogue.songs.list_visible(order="id", limit=9)) == ["by-the-child", "by-the-parent"]
    catalogue.close()


def _in_the_child(catalogue: MongoCatalogue, inherited: object) -> None:
    try:
        catalogue.songs.save(a_song("by-the-child"))
        own = catalogue._database._client()
        catalogue.close()
        os._exit(1 if own is inherited else 0)
    finally:
        os._exit(2)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 warns of threads, of which the driver has some
        return os.fork()


# migrations


def test_processes_and_threads_that_migrate_at_once_do_it_once(mongodb: Engine) -> None:
    url = mongodb.fresh()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=open_and_save, args=(url, f"p{n}")) for n in range(2)]
    threads = [threading.Thread(target=open_and_save, args=(url, f"t{n}")) for n in range(2)]
    everybody: list[multiprocessing.process.BaseProcess | threading.Thread] = [*processes, *threads]
    for one in everybody:
        one.start()
    for one in everybody:
        one.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    catalogue = MongoCatalogue(url)
    assert ids(catalogue.songs.list_visible(order="id", limit=9)) == ["p0", "p1", "t0", "t1"]
    with catalogue._database.collection("migrations") as migrations:
        assert [(one["part"], one["number"]) for one in migrations.find()] == [("catalogue", 1), ("catalogue", 2)]
    with catalogue._database.collection("songs") as songs:
        assert len(songs.index_information()) == 8
    catalogue.close()


def open_and_save(url: str, song_id: str) -> None:
    catalogue = MongoCatalogue(url)
    catalogue.songs.save(a_song(song_id))
    catalogue.close()


def test_migrations_run_in_order_and_only_new_ones(mongodb: Engine) -> None:
    ran: list[str] = []
    url = mongodb.fresh()
    first, second = (functools.partial(lambda _, name: ran.append(name), name=name) for name in ("first", "second"))
    for known in ((first,), (first,), (first, second)):
        database = Database(url, "test", known, variable="X")
        for _ in range(2):
            with database.collection("things") as things:
                things.find_one()
        database.close()
    assert ran == ["first", "second"]


def test_a_database_of_a_newer_version_is_refused(mongodb: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    url = mongodb.fresh()
    open_and_save(url, "s1")
    monkeypatch.setattr(mongo_catalogue, "MIGRATIONS", ())
    catalogue = MongoCatalogue(url)
    with pytest.raises(ConfigurationError, match=r"CATALOGUE_URL: .*newer version .its schema is 2, known here: 0"):
        catalogue.songs.get("s1")
    catalogue.close()


# a server that goes and comes back


@pytest.mark.slow
def test_a_server_that_was_away_is_found_again_and_nothing_is_lost(mongodb: Engine, server: Server) -> None:
    catalogue = MongoCatalogue(f"{mongodb.fresh()}?serverSelectionTimeoutMS=500")
    stored = catalogue.uploads.save(an_upload(), [an_event("e")])
    server.stop(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(Transient):
        catalogue.uploads.get("u1")
    assert time.monotonic() - began < 3
    server.start()
    assert _as_soon_as_it_answers(catalogue, "u1") == stored
    assert ids(catalogue.outbox.pending()) == ["e"]
    catalogue.close()


def test_a_server_that_hangs_does_not_hang_us(mongodb: Engine, server: Server) -> None:
    catalogue = MongoCatalogue(f"{mongodb.fresh()}?timeoutMS=500")
    stored = catalogue.uploads.save(an_upload())
    server.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Transient):
            catalogue.uploads.get("u1")
        assert time.monotonic() - began < 3
    finally:
        server.send(signal.SIGCONT)
    assert _as_soon_as_it_answers(catalogue, "u1") == stored
    catalogue.close()


def _as_soon_as_it_answers(catalogue: Catalogue, upload_id: str) -> object:
    deadline = time.monotonic() + 20
    while True:
        try:
            return catalogue.uploads.get(upload_id)
        except Transient:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (errors.ServerSelectionTimeoutError("no server"), Transient),
        (errors.NotPrimaryError("stepped down"), Transient),
        (errors.NetworkTimeout("slow"), Transient),
        (errors.WTimeoutError("not replicated in time", 64), Transient),
        (errors.ExecutionTimeout("too long", 50), Transient),
        (errors.OperationFailure("write conflict", 112), Transient),
        (errors.OperationFailure("labelled", 1, {"errorLabels": ["RetryableWriteError"]}), Transient),
        (errors.BulkWriteError({"writeErrors": [{"code": 14031}], "writeConcernErrors": []}), StorageFull),
        (errors.OperationFailure("no space left", 14031), StorageFull),
        (errors.OperationFailure("not authorized", 13), ConfigurationError),
        (errors.ConfigurationError("The DNS query name does not exist"), ConfigurationError),
        (errors.DuplicateKeyError("twice", 11000), Conflict),
        (errors.OperationFailure("a bug of ours", 9), DemixerError),
        (errors.InvalidOperation("closed"), DemixerError),
    ],
)
def test_the_drivers_errors_become_ours(error: errors.PyMongoError, ours: type[DemixerError]) -> None:
    assert type(translation(error, "CATALOGUE_URL")) is ours
