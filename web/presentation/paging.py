"""Lists that go over several pages, and the query of a search."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from flask import request

from demixer.ports import Highlights, SongDocument
from demixer.services.songs import SearchResult

T = TypeVar("T")
SIZE = 24  # fills rows of 2, 3, 4 and 6
LAST = 10_000  # the highest page number; keeps offsets small
QUERY_LENGTH = 200  # characters of a search that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list. `total` is None where nobody counted; `at_least` says that it is a lower bound."""

    items: Sequence[T]
    number: int  # 1 is the first
    pages: int  # at least this many
    total: int | None = None
    at_least: bool = False
    highlights: Mapping[str, Highlights] = field(default_factory=dict)  # by song
    degraded: bool = False  # the search engine is down: see `demixer.services.songs.SearchResult`

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages


def asked_page() -> int:
    """The number in `?page=`, 1 for anything that is none."""
    number = request.args.get("page", 1, type=int)
    return min(max(number, 1), LAST)


def search_query() -> str:
    """What `?q=` asks for, with single spaces. Empty without a query."""
    return " ".join(request.args.get("q", "").split())[:QUERY_LENGTH]


def page_of(load: Callable[[int, int], Sequence[T]]) -> Page[T]:
    """The asked page of a list that nobody counted. `load(limit, offset)` is asked for one more than fits."""
    number = asked_page()
    items = load(SIZE + 1, (number - 1) * SIZE)
    pages = number + 1 if len(items) > SIZE else number
    return Page(items=items[:SIZE], number=number, pages=pages)


def found_page(load: Callable[[int, int], SearchResult]) -> Page[SongDocument]:
    """The asked page of search results. The total is exact up to what the index counts, unknown while it is down."""
    number = asked_page()
    found = load(SIZE, (number - 1) * SIZE)
    pages = max(1, -(-found.total // SIZE))
    return Page(
        items=found.songs,
        number=number,
        pages=pages,
        total=None if found.degraded else found.total,
        at_least=not found.degraded and found.total >= 1_000,
        highlights=found.highlights,
        degraded=found.degraded,
    )
