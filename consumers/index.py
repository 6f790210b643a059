"""`index`: keeps the search index equal to the catalogue.

Every event of a song means "look at it again": the index gets what the catalogue says now, whatever the event said.
So neither order nor repetition matters.

While the search engine is down the events wait, however long, at the place they have in the log: a dead letter would be
a song that nobody finds. What the engine refuses for good still becomes one.
"""

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.ports import SongDocument
from demixer.wiring import House


def consumer(house: House) -> Consumer:
    return Consumer(name="index", topics=("songs",), handle=handle, retries=None)


def handle(event: Event, context: Context) -> None:
    house = context.house
    song = house.catalogue.songs.get(event.subject)
    if song is None or not song.is_visible:
        house.search.remove([event.subject])
    else:
        house.search.put([SongDocument.of(song)])
