"""What Elasticsearch is asked: the kinds of hits of decision 8, each worth more than the next. Plain dictionaries.

No score comes from statistics of words. A hit is worth what its best kind is worth; one with typos forgiven is worth
less than any other, and less the more typos. Hits of the same worth come by their standing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from search.queries import Word, phrase

Query = dict[str, Any]
KIND = 100  # what a kind is worth more than the next; more than all words with typos together
RIGHT = 3  # what a word without typo is worth among forgiven hits; each typo costs one
ORDER: list[Query] = [{"_score": "desc"}, {"standing": "desc"}, {"id": "asc"}]


def exact(asked: Sequence[Word]) -> Query:
    """All hits without typos, the best kind first."""
    kinds = list(_kinds(asked))
    worths = range(KIND * len(kinds), 0, -KIND)
    return _best_of([_worth(worth, kind) for worth, kind in zip(worths, kinds, strict=True)])


def forgiving(asked: Sequence[Word]) -> Query:
    """Those, and all hits with typos, the fewest first."""
    return _best_of([exact(asked), {"bool": {"must": [_forgiven(word) for word in asked]}}])


def _kinds(asked: Sequence[Word]) -> Iterator[Query]:
    """The last kind has them all. The same kinds as `search.sqlite.matching`."""
    whole = phrase(tuple(asked))
    yield _is("whole", whole)
    yield _begins("whole", whole + "_")
    for field in ("names", "terms"):
        for render in (_is, _begins):
            yield _all_of([_either_way(word, field, render) for word in asked])


def _forgiven(word: Word) -> Query:
    ways = [_worth(RIGHT, _either_way(word, "terms", _begins))]
    return _best_of(ways + [_worth(RIGHT - typos, _near(word, typos)) for typos in range(1, word.tolerance + 1)])


def _near(word: Word, typos: int) -> Query:
    """Some beginning of a term is `word` but for so many typos, swapped neighbours counted as one. `constant_score`
    looks at all such terms; the standard would be the fifty nearest."""
    options = {"fuzziness": typos, "transpositions": True, "rewrite": "constant_score"}
    return {"fuzzy": {"heads": {"value": word.text, **options}}}


def _either_way(word: Word, field: str, render: Callable[[str, str], Query]) -> Query:
    if not word.parts:
        return render(field, word.text)
    return _one_of([render(field, word.text), _all_of([render(field, part) for part in word.parts])])


def _is(field: str, term: str) -> Query:
    return {"term": {field: {"value": term}}}


def _begins(field: str, term: str) -> Query:
    return {"prefix": {field: {"value": term}}}


def _all_of(queries: list[Query]) -> Query:
    return {"bool": {"filter": queries}}


def _one_of(queries: list[Query]) -> Query:
    return {"bool": {"should": queries, "minimum_should_match": 1}}


def _best_of(queries: list[Query]) -> Query:
    return {"dis_max": {"queries": queries}}


def _worth(worth: int, query: Query) -> Query:
    return {"constant_score": {"filter": query, "boost": worth}}
