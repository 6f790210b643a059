"""`demixer.ports.table_export.TableExport` of any engine whose tables give their rows page by page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from demixer.adapters.common.documents import from_document, to_document
from demixer.ports.table_export import Row

PAGE = 500  # rows read at a time: nothing is held open in between


class PagedTable(Protocol):
    """One table."""

    def page(self, after: Row | None) -> Sequence[Row]:
        """At most `PAGE` of those whose keys come after that of `after`, in order."""

    def put(self, rows: Sequence[Row]) -> None: ...

    def remove(self, rows: Sequence[Row]) -> None: ...


class ValueTable(Protocol):
    """A table of domain values of type `kind`, by their ids."""

    kind: Any

    def after(self, key: str, limit: int) -> Sequence[Any]:
        """At most `limit` of those whose ids come after `key`, in order."""

    def put(self, values: Sequence[Any]) -> None:
        """Replaces the values with the same ids."""

    def remove(self, keys: Sequence[str]) -> None: ...


class DocumentTable:
    """A `PagedTable` whose rows are the documents of domain values."""

    def __init__(self, table: ValueTable) -> None:
        self._table = table

    def page(self, after: Row | None) -> Sequence[Row]:
        return [to_document(value) for value in self._table.after(after["id"] if after else "", PAGE)]

    def put(self, rows: Sequence[Row]) -> None:
        self._table.put([from_document(self._table.kind, row) for row in rows])

    def remove(self, rows: Sequence[Row]) -> None:
        self._table.remove([row["id"] for row in rows])


class PagedTableExport:
    def __init__(
        self, tables: Mapping[str, Sequence[str]], paged: Mapping[str, PagedTable], close: Callable[[], None]
    ) -> None:
        self.tables, self.close = tables, close
        self._paged = paged

    def rows(self, table: str) -> Iterator[Row]:
        page = self._paged[table].page(None)
        while page:
            yield from page
            page = self._paged[table].page(page[-1])

    def put(self, table: str, rows: Sequence[Row]) -> None:
        self._paged[table].put(rows)

    def remove(self, table: str, rows: Sequence[Row]) -> None:
        self._paged[table].remove(rows)
