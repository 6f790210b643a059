import contextlib
import functools
import json
import multiprocessing
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from demixer.domain.errors import ConfigurationError, Conflict, DemixerError, Transient
from demixer.ports import SongDocument
from search.elastic.client import client_and_prefix
from search.elastic.index import Change, SongsIndex, write
from search.elastic.search_index import ElasticSearch
from search.sqlite.search_index import SqliteSearch
from tests import servers
from tests.contract.search import SONGS, OpenIndex, SearchIndexContract, found, song
from tests.servers import Engine, Server


class TestElasticSearch(SearchIndexContract):
    @pytest.fixture
    def open_index(self, elasticsearch: Engine) -> OpenIndex:
        return functools.partial(ElasticSearch, elasticsearch.fresh())


@pytest.fixture
def url(elasticsearch: Engine) -> str:
    return elasticsearch.fresh()


@pytest.fixture
def index(url: str) -> Iterator[ElasticSearch]:
    with contextlib.closing(ElasticSearch(url)) as opened:
        yield opened


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[Server, ElasticSearch]]:
    """A server of this test alone, to be stopped and started, and an index on it."""
    with servers.started(servers.elasticsearch, tmp_path) as engine:
        if engine.server is None:
            pytest.skip("the server that TEST_ELASTICSEARCH names is not ours to stop")
        with contextlib.closing(ElasticSearch(engine.fresh())) as opened:
            yield engine.server, opened


def indexes(url: str) -> list[str]:
    client, prefix = client_and_prefix(url)
    with contextlib.closing(client):
        return sorted(client.indices.get(index=f"{prefix}-*"))


def aliases(url: str) -> list[str]:
    client, prefix = client_and_prefix(url)
    with contextlib.closing(client):
        return sorted(alias for each in client.indices.get(index=f"{prefix}-*").values() for alias in each["aliases"])


# --- as SQLite does it ----------------------------------------------------------------------------------------------


def with_a_typo(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    other = chance.choice("aeiou")
    return chance.choice(
        [text[:at] + text[at + 1 :], text[:at] + other + text[at:], text[:at] + other + text[at + 1 :], text[: at + 1]]
    )


def queries(count: int) -> list[str]:
    """One or two words of a song, as they are or with a typo."""
    chance, texts = random.Random(7), [" ".join(texts).split() for texts in SONGS.values()]
    picked = (chance.sample(words, chance.randint(1, 2)) for words in chance.choices(texts, k=count))
    return [" ".join(with_a_typo(chance, word) if chance.random() < 0.6 else word for word in each) for each in picked]


def test_both_engines_find_the_same_in_the_same_order(index: ElasticSearch, tmp_path: Path) -> None:
    documents = [song(name, artist, title, album) for name, (artist, album, title) in sorted(SONGS.items())]
    documents += [song(f"x{n}", f"Love {n % 7}", f"Lovely {n}", "Luve", plays=n % 5) for n in range(10, 50)]
    with contextlib.closing(SqliteSearch(tmp_path / "search.db")) as sqlite:
        sqlite.put(documents)
        index.put(documents)
        asked = [*queries(150), "love", "lov", "luve", "lovely 1", "love lovely", "liveli"]
        differing = {query for query in asked if found(sqlite, query) != found(index, query)}
        assert differing == set()
        assert sum(bool(found(index, query)) for query in asked) > 100


# --- what is kept ---------------------------------------------------------------------------------------------------


def test_a_field_that_is_not_in_the_mapping_is_refused(url: str, index: ElasticSearch) -> None:
    index.put([song("a", "Artist", "Title")])
    client, prefix = client_and_prefix(url)
    with contextlib.closing(client), pytest.raises(DemixerError, match="strict_dynamic_mapping") as caught:
        write(client, [SongsIndex(client, prefix).alias], [Change("b", 2, {"mood": "sad"})], refresh=True)
    assert not isinstance(caught.value, Transient)


def test_a_removed_song_leaves_nothing_but_its_version(url: str, index: ElasticSearch) -> None:
    index.put([song("a", "Artist", "Title", at=4)])
    index.remove(["a"])
    client, prefix = client_and_prefix(url)
    with contextlib.closing(client):
        kept = client.get(index=f"{prefix}-songs", id="a")
    assert (kept["_source"], kept["_version"]) == ({}, 9)


def test_a_removal_beside_puts_of_newer_revisions_removes_what_is_there(index: ElasticSearch) -> None:
    index.put([song("a", "Artist", "Title", at=1)])
    done = threading.Event()

    def edit() -> None:
        for revision in range(2, 60):
            index.put([song("a", "Artist", "Title", at=revision)])
        done.set()

    editor = threading.Thread(target=edit)
    editor.start()
    while not done.is_set():
        with contextlib.suppress(Transient):  # said rather than left undone
            index.remove(["a"])
    editor.join()
    index.remove(["a"])
    index.put([song("a", "Artist", "Title", at=59)])
    assert found(index, "artist") == []


# --- rebuilding -----------------------------------------------------------------------------------------------------


def test_a_rebuild_leaves_one_index_and_one_alias_whether_it_fails_or_not(url: str, index: ElasticSearch) -> None:
    def documents(last: int) -> Iterator[SongDocument]:
        yield song("a", "Artist", "Title")
        index.put([song("b", "Artist", "Title")])
        yield song("c", "Artist", str(1 // last))

    with pytest.raises(ZeroDivisionError):
        index.rebuild(documents(0))
    assert (len(indexes(url)), len(aliases(url))) == (1, 1)
    assert index.rebuild(documents(1)) == 3
    assert (len(indexes(url)), len(aliases(url))) == (1, 1)


def test_the_later_of_two_rebuilds_wins(url: str, index: ElasticSearch) -> None:
    def overtaken() -> Iterator[SongDocument]:
        yield song("early", "Artist", "Early")
        index.rebuild([song("late", "Artist", "Late")])
        yield song("early too", "Artist", "Early")

    with pytest.raises(Conflict):
        index.rebuild(overtaken())
    assert found(index, "artist") == ["late"]
    assert (len(indexes(url)), len(aliases(url))) == (1, 1)


def test_what_a_killed_rebuild_left_is_removed_by_the_next(url: str, index: ElasticSearch) -> None:
    client, prefix = client_and_prefix(url)
    index.put([song("a", "Artist", "Title")])
    with contextlib.closing(client):
        songs = SongsIndex(client, prefix)
        songs.create(f"{songs.alias}-v-left", songs.next)
    index.put([song("b", "Artist", "Title")])
    assert index.rebuild([song("c", "Artist", "Title")]) == 1
    assert (len(indexes(url)), aliases(url)) == (1, [f"{prefix}-songs"])


def test_a_search_sees_one_state_while_the_alias_is_swapped(index: ElasticSearch) -> None:
    index.rebuild([song(f"s{number}", "Artist", f"Title {number}") for number in range(30)])
    done, wrong = threading.Event(), list[int | str]()

    def watch() -> None:
        while not done.is_set():
            page = index.search("artist", limit=50)
            if page.total != len(page.songs) or page.total != 30:
                wrong.append(page.total)

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    for _ in range(8):
        index.rebuild([song(f"s{number}", "Artist", f"Title {number}") for number in range(30)])
    done.set()
    for watcher in watchers:
        watcher.join()
    assert wrong == []


def test_several_processes_make_the_index_at_once(url: str, index: ElasticSearch) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_put_together, args=(url, str(number), barrier)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 3
    assert sorted(found(index, "artist")) == ["0", "1", "2"]
    assert len(indexes(url)) == 1


def _put_together(url: str, name: str, barrier: Barrier) -> None:
    index = ElasticSearch(url)
    barrier.wait(30)
    index.put([song(name, "Artist", "Title")])


# --- when it is down ------------------------------------------------------------------------------------------------


def test_a_stopped_server_is_transient_and_a_lost_index_is_created_again(mortal: tuple[Server, ElasticSearch]) -> None:
    server, index = mortal
    index.put([song("a", "Artist", "Title")])
    server.stop(signal.SIGKILL)
    ways: list[Callable[[], object]] = [
        lambda: index.search("artist", limit=5),
        lambda: index.put([song("b", "Artist", "Title")]),
        lambda: index.remove(["a"]),
        lambda: index.rebuild([]),
    ]
    for way in ways:
        with pytest.raises(Transient, match="cannot be reached; check SEARCH_URL"):
            way()
    server.start()
    assert found(index, "artist") == []  # this one keeps everything in memory
    index.put([song("b", "Artist", "Title")])
    assert found(index, "artist") == ["b"]
    assert index.rebuild([song("a", "Artist", "Title"), song("b", "Artist", "Title")]) == 2


def test_removing_and_putting_make_an_index_that_was_lost(mortal: tuple[Server, ElasticSearch]) -> None:
    _, index = mortal
    index.remove(["never seen"])
    index.put([song("b", "Artist", "Title")])
    index.remove(["b"])
    assert found(index, "artist") == []


def test_a_server_that_stops_during_a_rebuild_fails_it(mortal: tuple[Server, ElasticSearch]) -> None:
    server, index = mortal

    def documents() -> Iterator[SongDocument]:
        yield song("a", "Artist", "Title")
        server.stop(signal.SIGKILL)

    with pytest.raises(Transient):
        index.rebuild(documents())
    server.start()
    assert index.rebuild([song("a", "Artist", "Title")]) == 1


@pytest.mark.slow
def test_a_server_that_hangs_keeps_nobody_waiting_long(mortal: tuple[Server, ElasticSearch]) -> None:
    server, index = mortal
    index.put([song("a", "Artist", "Title")])
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Transient, match="does not answer in time"):
        index.search("artist", limit=5)
    assert time.monotonic() - began < 3.5
    server.send(signal.SIGCONT)
    assert found(index, "artist") == ["a"]


# --- what is wrong with the URL -------------------------------------------------------------------------------------


@contextlib.contextmanager
def answering(status: int, body: object, headers: dict[str, str]) -> Iterator[tuple[str, list[str | None]]]:
    """A server that answers everything so: its host, and what it was given as authorization."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = json.dumps(body).encode()
            self.send_response(status)
            fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (401, "security_exception", "refuses the user or the password of SEARCH_URL"),
        (403, "security_exception", "does not let the user of SEARCH_URL do this: security_exception"),
        (406, "media_type_header_exception", "no Elasticsearch 9"),
        (429, "circuit_breaking_exception", "busy or not ready: 429 circuit_breaking_exception"),
        (503, "search_phase_execution_exception", "busy or not ready: 503"),
        (200, "", "is no Elasticsearch"),
    ],
)
def test_a_refusal_of_the_server_is_an_error_without_the_password(status: int, error: str, reason: str) -> None:
    with answering(status, {"error": {"type": error}, "status": status}, {}) as (host, seen):
        with (
            contextlib.closing(ElasticSearch(f"elasticsearch://ana:s%40cret@{host}/x")) as index,
            pytest.raises(Transient, match=reason) as caught,
        ):
            index.search("anything", limit=1)
        assert "s@cret" not in str(caught.value)
        assert "s%40cret" not in str(caught.value)
        assert seen[0] == "Basic YW5hOnNAY3JldA=="


def test_a_request_that_is_wrong_is_not_transient() -> None:
    with answering(400, {"error": {"type": "parsing_exception"}, "status": 400}, {}) as (host, _):
        with (
            contextlib.closing(ElasticSearch(f"elasticsearch://{host}/x")) as index,
            pytest.raises(DemixerError, match="parsing_exception") as caught,
        ):
            index.search("anything", limit=1)
        assert not isinstance(caught.value, Transient)


def test_a_server_without_tls_is_told_from_one_that_is_down() -> None:
    with (
        answering(200, {}, {}) as (host, _),
        contextlib.closing(ElasticSearch(f"elasticsearch+https://{host}/x")) as index,
        pytest.raises(Transient, match="speaks no TLS"),
    ):
        index.search("anything", limit=1)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("elasticsearch:///x", "should look like elasticsearch://host:9200/demixer"),
        ("elasticsearch://ana:s3cret@host:port/x", "should look like"),
        ("elasticsearch://host/Songs", "the prefix 'Songs' should be small letters"),
        ("elasticsearch://host/a/b", "the prefix 'a/b'"),
        ("elasticsearch://host/x?ca_cert=a", "knows no option ca_cert; there are ca_certs, media_type"),
        ("elasticsearch+https://host/x?ca_certs=/no/such/file.pem", "the file of ca_certs is not there"),
    ],
)
def test_a_bad_url_is_an_error_at_start(url: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SEARCH_URL: ") as caught:
        ElasticSearch(url)
    assert hint in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "nodes", "prefix"),
    [
        ("elasticsearch://host", {"http://host:9200"}, "demixer"),
        ("elasticsearch+https://u:p@one:1,two/songs-2", {"https://one:1", "https://two:9200"}, "songs-2"),
        ("elasticsearch://[::1]:9201/x/", {"http://[::1]:9201"}, "x"),
    ],
)
def test_a_url_names_hosts_and_a_prefix(url: str, nodes: set[str], prefix: str) -> None:
    client, named = client_and_prefix(url)
    assert {node.base_url for node in client.transport.node_pool.all()} == nodes
    assert named == prefix
    client.close()
