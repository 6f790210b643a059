"""How the SQLite index answers a query: a few kinds of hits, one after the other, each in the order of row ids.

Every word has to be found, so the rarity of words (bm25's main term) is the same for all hits. They differ in where the
words are, and whether whole words match. So no score has to be computed for all hits of a common word: FTS5 stops when
the page is full.
"""
# ruff: noqa: S608 - only question marks and our own constants are put into SQL

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

from demixer.ports import SearchPage, SongDocument
from search.queries import Word, lookup_keys, near, phrase
from search.sqlite.tables import document_of, quoted

COUNTED = 1000  # hits are counted up to here; one more means more
MAX_HITS = 10_000  # that can be paged to
FEW_HITS = 20  # with fewer than this, typos are forgiven too
NEAR_TERMS = 40  # looked for in the place of one word with a typo
CANDIDATES = 6000  # terms compared with one word; of 100,000 songs there are about 3,000 at most

NearTerms = Mapping[Word, Mapping[str, int]]  # for each word the near terms, and their distances


class Matching:
    """Answers within the caller's read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def page(self, asked: Sequence[Word], *, limit: int, offset: int) -> SearchPage:
        start, end = max(0, offset), min(max(0, offset) + max(0, limit), MAX_HITS)
        total = len(self._rowids(_anywhere(asked, _begins), COUNTED + 1))
        if total >= FEW_HITS:
            rowids = self._first(asked, end)
        else:
            rowids = self._with_typos(asked)
            total = len(rowids)
        return SearchPage(self._documents(rowids[start:end]), total)

    def _first(self, asked: Sequence[Word], wanted: int) -> list[int]:
        """The first `wanted` hits without typos. Each kind adds the hits that no kind before it had."""
        found: dict[int, None] = {}
        for kind in _kinds(asked):
            if len(found) >= wanted:
                break
            found.update(dict.fromkeys(self._rowids(kind, wanted)))
        return list(found)[:wanted]

    def _with_typos(self, asked: Sequence[Word]) -> list[int]:
        """All hits, those without typos first."""
        found = self._first(asked, FEW_HITS)
        if any(word.tolerance for word in asked):
            found += [rowid for rowid in self._forgiven(asked) if rowid not in set(found)]
        return found[: COUNTED + 1]

    def _forgiven(self, asked: Sequence[Word]) -> list[int]:
        """Hits with typos forgiven, those with the fewest first."""
        near_terms = {word: self._near(word) for word in asked}
        rows = self._connection.execute(
            "SELECT rowid, artist, title, album FROM texts WHERE texts MATCH ? ORDER BY rowid LIMIT ?",
            (_forgiving(asked, near_terms), COUNTED + 1),
        )
        return [rowid for _, rowid in sorted((_typos(tuple(row)[1:], near_terms), row["rowid"]) for row in rows)]

    def _near(self, word: Word) -> Mapping[str, int]:
        if not word.tolerance:
            return {}
        keys = sorted(lookup_keys(word))
        sql = f"SELECT term FROM near WHERE key IN ({_placeholders(keys)}) LIMIT {CANDIDATES}"
        return near(word, {row[0] for row in self._connection.execute(sql, keys)}, limit=NEAR_TERMS)

    def _rowids(self, expression: str, limit: int) -> list[int]:
        sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid LIMIT ?"
        return [row["rowid"] for row in self._connection.execute(sql, (expression, limit))]

    def _documents(self, rowids: Sequence[int]) -> tuple[SongDocument, ...]:
        rows = self._connection.execute(f"SELECT * FROM songs WHERE place IN ({_placeholders(rowids)})", rowids)
        documents = {row["place"]: document_of(row) for row in rows}
        return tuple(documents[rowid] for rowid in rowids)


def _kinds(asked: Sequence[Word]) -> Iterator[str]:
    """The expressions for hits without typos, the best kind first. The last kind includes all others."""
    whole = phrase(tuple(asked))
    yield f"whole : {_is(whole)}"
    yield f"whole : {_begins(whole + '_')}"
    yield f"{{artist title}} : ({_anywhere(asked, _is)})"
    yield f"{{artist title}} : ({_anywhere(asked, _begins)})"
    yield _anywhere(asked, _is)
    yield _anywhere(asked, _begins)


def _anywhere(asked: Sequence[Word], render: Callable[[str], str]) -> str:
    return " AND ".join(_whole_or_parts(word, render) for word in asked)


def _whole_or_parts(word: Word, render: Callable[[str], str]) -> str:
    parts = " AND ".join(render(part) for part in word.parts)
    return f"({render(word.text)} OR ({parts}))" if parts else render(word.text)


def _forgiving(asked: Sequence[Word], near_terms: NearTerms) -> str:
    ways = ([_whole_or_parts(word, _begins), *map(quoted, near_terms[word])] for word in asked)
    return " AND ".join(f"({' OR '.join(way)})" for way in ways)


def _typos(texts: Sequence[str], near_terms: NearTerms) -> int:
    """The total number of typos that were forgiven for the song with these texts."""
    terms = {term for text in texts for term in text.split()}
    return sum(_typos_in(word, terms, distances) for word, distances in near_terms.items())


def _typos_in(word: Word, terms: set[str], distances: Mapping[str, int]) -> int:
    if word.begins_one_of(terms):
        return 0
    return min((distances[term] for term in terms if term in distances), default=0)


def _is(term: str) -> str:
    return quoted(term)


def _begins(term: str) -> str:
    return f"{quoted(term)}*"


def _placeholders(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
