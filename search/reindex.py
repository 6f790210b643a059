"""`demixer reindex`: rebuilds the search index from the catalogue, while searches and changes go on."""

from demixer.ports import Catalogue, SearchIndex
from search.documents import documents


def reindex(catalogue: Catalogue, index: SearchIndex) -> int:
    """Replace the whole index. Returns the number of songs in it. If it is stopped half-way, the old index stays."""
    return index.rebuild(documents(catalogue))
