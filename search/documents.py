"""The search documents of the songs in the catalogue, and what both engines compute from a document."""

from collections.abc import Iterator
from math import log2

from demixer.ports import Catalogue, SongDocument
from demixer.services.listing import every_song
from search.queries import phrase

RANK_PER_DOUBLING = 8  # of the plays; one word more costs 1
MAX_WORDS_COUNTED = 40


def rank(document: SongDocument) -> int:
    """Hits that match equally well come in this order, the highest first: the most played, then the shortest."""
    length = len(document.artist.split()) + len(document.title.split())
    return int(RANK_PER_DOUBLING * log2(1 + max(0, document.plays))) - min(length, MAX_WORDS_COUNTED)


def exact_phrases(document: SongDocument) -> list[str]:
    """A query equal to one of these is the whole title, the whole artist, or both. Made by `search.queries.phrase`."""
    artist, title = phrase(document.artist), phrase(document.title)
    both = {f"{artist}_{title}", f"{title}_{artist}"} if artist and title else set()
    return sorted({artist, title} | both)


def documents(catalogue: Catalogue) -> Iterator[SongDocument]:
    """Every listed song once, in the order of ids, read page by page."""
    return map(SongDocument.of, every_song(catalogue))
