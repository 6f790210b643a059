"""Builds the queries for Elasticsearch: the kinds of hits of decision 8, each with a higher score than the next.

No score comes from statistics of words. A hit has the score of its best kind. A hit with typos scores lower than any
other, the lower the more typos it has. Hits with the same score come by rank.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from search.queries import Word, phrase

Query = dict[str, Any]
KIND_SCORE = 100  # between one kind and the next; more than all words of a hit with typos score together
WORD_SCORE = 3  # of a word without a typo in a hit with typos; each typo costs one
ORDER: list[Query] = [{"_score": "desc"}, {"standing": "desc"}, {"id": "asc"}]


def exact(asked: Sequence[Word]) -> Query:
    """All hits without typos, the best kind first."""
    kinds = list(_kinds(asked))
    scores = range(KIND_SCORE * len(kinds), 0, -KIND_SCORE)
    return _best_of([_scored(score, kind) for score, kind in zip(scores, kinds, strict=True)])


def forgiving(asked: Sequence[Word]) -> Query:
    """All hits: those without typos, then the others, those with the fewest typos first."""
    return _best_of([exact(asked), {"bool": {"must": [_forgiven(word) for word in asked]}}])


def _kinds(asked: Sequence[Word]) -> Iterator[Query]:
    """The same kinds as in `search.sqlite.matching`. The last one includes all others."""
    whole = phrase(tuple(asked))
    yield _is("whole", whole)
    yield _begins("whole", whole + "_")
    for field in ("names", "terms"):
        for render in (_is, _begins):
            yield _all_of([_whole_or_parts(word, field, render) for word in asked])


def _forgiven(word: Word) -> Query:
    exact = _scored(WORD_SCORE, _whole_or_parts(word, "terms", _begins))
    near = [_scored(WORD_SCORE - typos, _near(word, typos)) for typos in range(1, word.tolerance + 1)]
    return _best_of([exact, *near])


def _near(word: Word, typos: int) -> Query:
    """A prefix of a term is `word` with so many typos; swapped neighbours count as one. With `constant_score` all such
    terms are looked up; the default is the fifty nearest."""
    options = {"fuzziness": typos, "transpositions": True, "rewrite": "constant_score"}
    return {"fuzzy": {"heads": {"value": word.text, **options}}}


def _whole_or_parts(word: Word, field: str, render: Callable[[str, str], Query]) -> Query:
    if not word.parts:
        return render(field, word.text)
    return _any_of([render(field, word.text), _all_of([render(field, part) for part in word.parts])])


def _is(field: str, term: str) -> Query:
    return {"term": {field: {"value": term}}}


def _begins(field: str, term: str) -> Query:
    return {"prefix": {field: {"value": term}}}


def _all_of(queries: list[Query]) -> Query:
    return {"bool": {"filter": queries}}


def _any_of(queries: list[Query]) -> Query:
    return {"bool": {"should": queries, "minimum_should_match": 1}}


def _best_of(queries: list[Query]) -> Query:
    return {"dis_max": {"queries": queries}}


def _scored(score: int, query: Query) -> Query:
    return {"constant_score": {"filter": query, "boost": score}}
