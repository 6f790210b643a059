"""How the SQLite index answers a query: a few kinds of hits, one after the other, each in the order of places.

Where every word must be found, the rarity of words (bm25's main term) is the same for all hits; what tells them apart
is where the words stand and whether they are whole. So there is no score to compute over all hits of a common word:
FTS5 stops as soon as the page is full.
"""
# ruff: noqa: S608 - only question marks and our own constants are put into SQL

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

from demixer.ports import SearchPage, SongDocument
from search.queries import Word, lookups, near, phrase
from search.sqlite.tables import document_of, quoted

COUNTED = 1000  # hits are counted up to here; one more stands for "more"
REACH = 10_000  # hits that can be paged to
FEW = 20  # with fewer hits than this, typos are forgiven too
NEAR_TERMS = 40  # tried for one word with a typo
CANDIDATES = 6000  # terms compared for one word; the longest lists of 100,000 songs have about 3,000

Tolerated = Mapping[Word, Mapping[str, int]]  # for each word the near terms, and how far they are


class Matching:
    """Answers within the caller's read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def page(self, asked: Sequence[Word], *, limit: int, offset: int) -> SearchPage:
        start, end = max(0, offset), min(max(0, offset) + max(0, limit), REACH)
        total = len(self._places(_anywhere(asked, _begins), COUNTED + 1))
        if total >= FEW:
            places = self._first(asked, end)
        else:
            places = self._with_forgiven(asked)
            total = len(places)
        return SearchPage(self._documents(places[start:end]), total)

    def _first(self, asked: Sequence[Word], wanted: int) -> list[int]:
        """The first `wanted` hits without typos. Every kind adds those that no kind before it had."""
        found: dict[int, None] = {}
        for kind in _kinds(asked):
            if len(found) >= wanted:
                break
            found.update(dict.fromkeys(self._places(kind, wanted)))
        return list(found)[:wanted]

    def _with_forgiven(self, asked: Sequence[Word]) -> list[int]:
        found = self._first(asked, FEW)
        if any(word.tolerance for word in asked):
            found += [place for place in self._forgiven(asked) if place not in set(found)]
        return found[: COUNTED + 1]

    def _forgiven(self, asked: Sequence[Word]) -> list[int]:
        """Hits with typos forgiven, those with the fewest first."""
        tolerated = {word: self._near(word) for word in asked}
        rows = self._connection.execute(
            "SELECT rowid, artist, title, album FROM texts WHERE texts MATCH ? ORDER BY rowid LIMIT ?",
            (_forgiving(asked, tolerated), COUNTED + 1),
        )
        return [place for _, place in sorted((_typos(tuple(row)[1:], tolerated), row["rowid"]) for row in rows)]

    def _near(self, word: Word) -> Mapping[str, int]:
        if not word.tolerance:
            return {}
        keys = sorted(lookups(word))
        sql = f"SELECT term FROM near WHERE key IN ({_marks(keys)}) LIMIT {CANDIDATES}"
        return near(word, {row[0] for row in self._connection.execute(sql, keys)}, limit=NEAR_TERMS)

    def _places(self, expression: str, limit: int) -> list[int]:
        sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid LIMIT ?"
        return [row["rowid"] for row in self._connection.execute(sql, (expression, limit))]

    def _documents(self, places: Sequence[int]) -> tuple[SongDocument, ...]:
        rows = self._connection.execute(f"SELECT * FROM songs WHERE place IN ({_marks(places)})", places)
        by_place = {row["place"]: document_of(row) for row in rows}
        return tuple(by_place[place] for place in places)


def _kinds(asked: Sequence[Word]) -> Iterator[str]:
    """All hits without typos, the best kind first; the last kind has them all."""
    whole = phrase(tuple(asked))
    yield f"whole : {_is(whole)}"
    yield f"whole : {_begins(whole + '_')}"
    yield f"{{artist title}} : ({_anywhere(asked, _is)})"
    yield f"{{artist title}} : ({_anywhere(asked, _begins)})"
    yield _anywhere(asked, _is)
    yield _anywhere(asked, _begins)


def _anywhere(asked: Sequence[Word], render: Callable[[str], str]) -> str:
    return " AND ".join(_either_way(word, render) for word in asked)


def _either_way(word: Word, render: Callable[[str], str]) -> str:
    parts = " AND ".join(render(part) for part in word.parts)
    return f"({render(word.text)} OR ({parts}))" if parts else render(word.text)


def _forgiving(asked: Sequence[Word], tolerated: Tolerated) -> str:
    ways = ([_either_way(word, _begins), *map(quoted, tolerated[word])] for word in asked)
    return " AND ".join(f"({' OR '.join(way)})" for way in ways)


def _typos(texts: Sequence[str], tolerated: Tolerated) -> int:
    """How many typos were forgiven in all for the song with these texts."""
    terms = {term for text in texts for term in text.split()}
    return sum(_typos_in(word, terms, distances) for word, distances in tolerated.items())


def _typos_in(word: Word, terms: set[str], distances: Mapping[str, int]) -> int:
    if word.begins_one_of(terms):
        return 0
    return min((distances[term] for term in terms if term in distances), default=0)


def _is(term: str) -> str:
    return quoted(term)


def _begins(term: str) -> str:
    return f"{quoted(term)}*"


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
