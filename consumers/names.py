"""`names`: a song without tags is looked up at AcoustID, for whoever brought it to take what is found.

While the song is separated, in a group of its own and beside the polling: nobody waits for it, and whatever AcoustID
does, the event is done. A song that got no answer is asked about again when its separation is requested again.
"""

import logging
from functools import partial

from consumers.framework.consumer import Consumer, Context
from demixer.adapters.acoustid import names
from demixer.domain import Event
from demixer.services import naming
from demixer.wiring import House

log = logging.getLogger(__name__)


def consumer(house: House) -> Consumer:
    key = house.settings.acoustid_api_key
    if not key:
        log.warning("ACOUSTID_API_KEY is not set: no names are looked up")

    def handle(event: Event, context: Context) -> None:
        if key:
            naming.propose(context.house, event.data["song_id"], partial(names.look_up, key))

    return Consumer(name="names", topics=("separations",), handle=handle, at_once=1)
