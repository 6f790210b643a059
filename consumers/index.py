"""`index`: keeps the search index equal to the catalogue.

Every event of a song means "look at it again": the index gets what the catalogue says now, whatever the event said.
So neither order nor repetition matters.
"""

from consumers.consumer import Consumer, Context
from demixer.domain import Event
from demixer.house import House
from search.documents import document


def consumer(house: House) -> Consumer:
    return Consumer(name="index", topics=("songs",), handle=handle)


def handle(event: Event, context: Context) -> None:
    house = context.house
    song = house.catalogue.songs.get(event.subject)
    if song is None or song.removed or not song.listed:
        house.search.remove([event.subject])
    else:
        house.search.put([document(song)])
