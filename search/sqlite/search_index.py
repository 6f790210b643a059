"""The search index on one machine: SQLite FTS5 (https://www.sqlite.org/fts5.html)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from demixer.adapters.sqlite.database import Database
from demixer.ports import SearchPage, SongDocument
from search.highlights import highlights_of
from search.queries import words
from search.sqlite.matching import Matching
from search.sqlite.rebuild import BOOKKEEPING, Rebuild, note_touched
from search.sqlite.tables import TABLES, Tables

MIGRATIONS = (TABLES.format(to="") + BOOKKEEPING,)


class SqliteSearch:
    """`demixer.ports.SearchIndex` in one file. Many processes may search and change it at once.

    A search takes milliseconds over 100,000 songs (`benchmarks.search`). It gives the first 10,000 hits; `total` is
    1,001 where there are more than 1,000. Of hits with typos it gives 1,001 at most.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS, variable="SEARCH_URL")

    def put(self, documents: Sequence[SongDocument]) -> None:
        with self._database.write() as connection:
            Tables(connection).put(documents)
            note_touched(connection, (document.id for document in documents))

    def remove(self, song_ids: Sequence[str]) -> None:
        with self._database.write() as connection:
            Tables(connection).write_tombstones(song_ids)
            note_touched(connection, song_ids)

    def search(self, query: str, *, limit: int, offset: int = 0) -> SearchPage:
        asked = words(query)
        if not asked:
            return SearchPage((), 0)
        with self._database.snapshot() as connection:
            page = Matching(connection).page(asked, limit=limit, offset=offset)
        return replace(page, highlights=highlights_of(asked, page.songs))

    def rebuild(self, documents: Iterable[SongDocument]) -> int:
        """Raises `Conflict` when another rebuild began meanwhile; that one goes on."""
        return Rebuild(self._database).run(documents)

    def close(self) -> None:
        self._database.close()
