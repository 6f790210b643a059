"""`demixer.ports.table_export.TableExport` of any engine whose tables give their rows page by page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from demixer.ports.table_export import Row

PAGE = 500  # rows read at a time: nothing is held open in between


class Shelf(Protocol):
    """One table."""

    def page(self, after: Row | None) -> Sequence[Row]:
        """At most `PAGE` of those whose keys come after that of `after`, in order."""

    def put(self, rows: Sequence[Row]) -> None: ...

    def remove(self, rows: Sequence[Row]) -> None: ...


class ShelfDump:
    def __init__(
        self, tables: Mapping[str, Sequence[str]], shelves: Mapping[str, Shelf], close: Callable[[], None]
    ) -> None:
        self.tables, self.close = tables, close
        self._shelves = shelves

    def rows(self, table: str) -> Iterator[Row]:
        page = self._shelves[table].page(None)
        while page:
            yield from page
            page = self._shelves[table].page(page[-1])

    def put(self, table: str, rows: Sequence[Row]) -> None:
        self._shelves[table].put(rows)

    def remove(self, table: str, rows: Sequence[Row]) -> None:
        self._shelves[table].remove(rows)
