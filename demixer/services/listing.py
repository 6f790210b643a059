"""All songs that people can find, read page by page."""

from collections.abc import Iterator

from demixer.domain import Song
from demixer.ports import Catalogue

PAGE = 500
OVERLAP = 50  # songs read twice, so that those removed while we read cannot shift others out of sight


def every_song(catalogue: Catalogue) -> Iterator[Song]:
    """Each once, in the order of ids. Nothing is held open in between."""
    last, offset = "", 0
    while page := catalogue.songs.list_visible(order="id", limit=PAGE, offset=offset):
        yield from (song for song in page if song.id > last)
        if len(page) < PAGE:
            return
        last, offset = page[-1].id, offset + PAGE - OVERLAP
