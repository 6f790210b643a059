"""What is indexed: one document a song, made from the catalogue and from nothing else."""

from collections.abc import Iterator

from demixer.domain import Song
from demixer.ports import Catalogue, SongDocument

PAGE = 500
OVERLAP = 50  # songs read twice, so that those removed while we read cannot shift others out of sight


def document(song: Song) -> SongDocument:
    return SongDocument(
        id=song.id,
        artist=song.tags.artist,
        album=song.tags.album,
        title=song.tags.title,
        year=song.tags.year,
        duration=song.duration,
        cover=bool(song.cover),
        plays=song.plays,
        revision=song.version,
    )


def documents(catalogue: Catalogue) -> Iterator[SongDocument]:
    """Every listed song once, in the order of ids, read page by page."""
    last, offset = "", 0
    while page := catalogue.songs.listed(order="id", limit=PAGE, offset=offset):
        yield from (document(song) for song in page if song.id > last)
        if len(page) < PAGE:
            return
        last, offset = page[-1].id, offset + PAGE - OVERLAP
