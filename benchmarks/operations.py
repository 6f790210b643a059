"""Operations of the catalogue and the search index per second, beside the bare calls of the drivers.

    python -m benchmarks.operations

Both do the same on the same server, in turn: the same filters and fields, the same concerns of reading and writing, the
event of a change in the same write. The bare calls take finished documents and give back the driver's own; ours begin
and end with objects of the domain, errors become ours, and a search says which words were found. One at a time, over
one connection; the median counts. A search that finds little asks once more, with typos forgiven: the bare call of that
line asks only the second question.

Promised: 70 % of the bare calls, on MongoDB, and on Elasticsearch where both ask as often. SQLite answers in
microseconds, with no network to hide the objects behind; its lines are shown, not promised.
"""

import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from pymongo import MongoClient

from benchmarks import bare, stage
from benchmarks.bare import CHANGE, GET, INSERT, LOOK, Calls
from benchmarks.report import milliseconds, print_table
from benchmarks.search import COMMON, Songs
from demixer.adapters.mongo.database import FIXED as CONCERNS
from demixer.domain import Tags, Upload, UploadState, events
from demixer.ports import Catalogue
from demixer.wiring import open_catalogue, utc_now
from search.elastic.search_index import ElasticSearch
from tests import servers

PROMISED = 0.70  # of the bare calls
WARM_UP = 20  # of each, that do not count
SONGS = 2_000  # in the search index
PAGE = 20
FOUND = 8  # of the common words are in more songs than a page shows
ONCE, TWICE, PUT = "search, one question", "search, two questions", "put a song"
NOT_PROMISED = ("SQLite", TWICE)

Row = tuple[str, str, int, int, float]  # engine, operation, ours and bare a second, share


def catalogue_calls(catalogue: Catalogue) -> Calls:
    def insert(number: int) -> object:
        new = upload(number)
        return catalogue.uploads.save(new, [events.upload_received(new)])

    def change(number: int) -> object:
        moved = replace(upload(number), version=1).moved_to(UploadState.FINGERPRINTING, utc_now())
        return catalogue.uploads.save(moved, [events.upload_received(moved)])

    return {
        LOOK: lambda number: catalogue.outbox.pending(),
        INSERT: insert,
        GET: lambda number: catalogue.uploads.get(f"ours-{number}"),
        CHANGE: change,
    }


def upload(number: int) -> Upload:
    now = utc_now()
    return Upload(
        id=f"ours-{number}",
        person_id=f"person-{number % 100}",
        filename=f"song {number}.mp3",
        size=5_000_000,
        sha256=f"{number:064x}",
        audio_key=f"uploads/{number}",
        given_tags=Tags(),
        created_at=now,
        updated_at=now,
    )


def stored(catalogue: Catalogue, read: Callable[[], Any]) -> Any:
    """An upload of ours as it is while its event waits; nothing waits afterwards."""
    catalogue_calls(catalogue)[INSERT](-1)
    found = read()
    catalogue.outbox.mark_published([event.id for event in catalogue.outbox.pending()])
    return found


@contextmanager
def in_mongodb(folder: Path) -> Iterator[tuple[Calls, Calls]]:
    with servers.started(servers.mongodb, folder) as engine:
        url = engine.fresh()
        with closing(open_catalogue(url)) as catalogue, MongoClient[Any](url, **CONCERNS) as client:
            database = client.get_default_database()
            sample = stored(catalogue, database["uploads"].find_one)
            yield catalogue_calls(catalogue), bare.in_mongodb(database, sample)


@contextmanager
def in_sqlite(folder: Path) -> Iterator[tuple[Calls, Calls]]:
    path = folder / "catalogue.db"
    with closing(open_catalogue(f"sqlite:///{path}")) as catalogue, closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = stored(catalogue, lambda: connection.execute("SELECT * FROM uploads").fetchone())
        with closing(bare.Sqlite(path, dict(row))) as theirs:
            yield catalogue_calls(catalogue), theirs.calls()


@contextmanager
def in_elasticsearch(folder: Path) -> Iterator[tuple[Calls, Calls]]:
    songs = Songs(SONGS)
    documents = [replace(song, revision=2) for song in songs.documents]
    common = [COMMON[number % FOUND] for number in range(SONGS)]
    typos = [songs.typo(song.title) for song in documents]
    with servers.started(servers.elasticsearch, folder) as engine:
        url = engine.fresh()
        with closing(ElasticSearch(url)) as ours, closing(bare.Elastic(url)) as theirs:
            ours.rebuild(songs.documents)
            yield (
                {
                    ONCE: lambda number: ours.search(common[number % SONGS], limit=PAGE),
                    TWICE: lambda number: ours.search(typos[number % SONGS], limit=PAGE),
                    PUT: lambda number: ours.put([documents[number % SONGS]]),
                },
                {
                    ONCE: lambda number: theirs.exact(common[number % SONGS], limit=PAGE),
                    TWICE: lambda number: theirs.forgiving(typos[number % SONGS], limit=PAGE),
                    PUT: lambda number: theirs.put(documents[number % SONGS]),
                },
            )


def compared(engine: str, ours: Calls, theirs: Calls, count: int) -> Iterator[Row]:
    for name in ours:
        taken = [
            (milliseconds(partial(ours[name], number)), milliseconds(partial(theirs[name], number)))
            for number in range(WARM_UP + count)
        ]
        mine, bare_ = (1000 / statistics.median(values) for values in zip(*taken[WARM_UP:], strict=True))
        yield engine, name, round(mine), round(bare_), mine / bare_


ENGINES = {"MongoDB": in_mongodb, "Elasticsearch": in_elasticsearch, "SQLite": in_sqlite}


@click.command()
@click.option("--operations", "count", default=500, help="Of each kind.")
def main(count: int) -> None:
    stage.quiet()
    rows: list[Row] = []
    for engine, opened in ENGINES.items():
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as (ours, theirs):
            rows += compared(engine, ours, theirs, count)
    print_table(("", "operation", "ours/s", "bare/s", "share"), rows)
    least = min(share for engine, name, _, _, share in rows if not {engine, name} & set(NOT_PROMISED))
    sys.exit(0 if least >= PROMISED else f"one is {least:.0%} of the bare call, less than {PROMISED:.0%}")


if __name__ == "__main__":
    main()
