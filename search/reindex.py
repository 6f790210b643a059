"""`demixer reindex`: the search index made anew from the catalogue, while searches and changes go on."""

from demixer.ports import Catalogue, SearchIndex
from search.documents import documents


def reindex(catalogue: Catalogue, index: SearchIndex) -> int:
    """Replace the whole index. Returns how many songs it holds then. Stopped half-way, the old index stays."""
    return index.rebuild(documents(catalogue))
