"""What is indexed: one document a song, made from the catalogue and from nothing else; and what orders the hits."""

from collections.abc import Iterator
from math import log2

from demixer.ports import Catalogue, SongDocument
from demixer.services.listing import every_song
from search.queries import phrase

DOUBLED = 8  # what twice the plays are worth: eight words fewer


def standing(document: SongDocument) -> int:
    """Hits of the same kind come in this order, the highest first: the most played, then the shortest."""
    length = len(document.artist.split()) + len(document.title.split())
    return int(DOUBLED * log2(1 + max(0, document.plays))) - min(length, 40)


def wholes(document: SongDocument) -> list[str]:
    """What a query is compared with to tell whether it is all of the title, of the artist, or of both."""
    artist, title = phrase(document.artist), phrase(document.title)
    both = {f"{artist}_{title}", f"{title}_{artist}"} if artist and title else set()
    return sorted({artist, title} | both)


def documents(catalogue: Catalogue) -> Iterator[SongDocument]:
    """Every listed song once, in the order of ids, read page by page."""
    return map(SongDocument.of, every_song(catalogue))
