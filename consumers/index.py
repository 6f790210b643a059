"""`index`: keeps the search index equal to the catalogue.

Every event of a song means "look at it again": the index gets what the catalogue says now, whatever the event said.
So neither order nor repetition matters.

While the search engine is down the events wait, however long, at the place they have in the log: a dead letter would be
a song that nobody finds. What the engine refuses for good still becomes one.
"""

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.ports import SearchIndex, SongDocument, Songs


def consumer(songs: Songs, search: SearchIndex) -> Consumer:
    def handle(event: Event, context: Context) -> None:
        song = songs.get(event.subject)
        if song is None or not song.is_visible:
            search.remove([event.subject])
        else:
            search.put([SongDocument.of(song)])

    return Consumer(name="index", topics=("songs",), handle=handle, retries=None)
