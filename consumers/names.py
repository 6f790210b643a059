"""`names`: a song without tags is looked up at AcoustID, for its owner to accept what is found.

While the song is separated, in a group of its own and beside the polling: nobody waits for it, and whatever AcoustID
does, the event is done. A song that got no answer is asked about again when its separation is requested again.
"""

import logging

from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.services.naming import Naming
from schemas.events import SeparationRequested

log = logging.getLogger(__name__)


def consumer(naming: Naming) -> Consumer:
    if not naming.is_configured:
        log.warning("ACOUSTID_API_KEY is not set: no names are looked up")

    def handle(event: Event, context: Context) -> None:
        if isinstance(event.data, SeparationRequested):
            naming.propose(event.data.song_id)

    return Consumer(name="names", topics=("separations",), handle=handle, at_once=1)
