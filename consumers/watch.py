"""What is told of every event that a consumer handles: the ids that lines in the log carry, a line, and the counts."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from consumers import metrics
from consumers.consumer import Consumer, Context
from demixer import logs
from demixer.domain import Event

SUBJECTS = {"upload": "upload_id", "song": "song_id", "separation": "separation_id"}  # as the events name them

log = logging.getLogger(__name__)


def watched(consumer: Consumer) -> Consumer:
    """It does what it did, and that is told."""
    helped = consumer.help_out
    return replace(consumer, handle=_handler(consumer), help_out=helped and _helper(consumer.name, helped))


def ids(event: Event | None) -> dict[str, object]:
    """Of what the event is about, for `demixer.logs.about`."""
    if event is None:
        return {}
    return {"event": event.id, **{name: event.data.get(field) for name, field in SUBJECTS.items()}}


def _handler(consumer: Consumer) -> Callable[[Event, Context], None]:
    def handle(event: Event, context: Context) -> None:
        age = (context.house.now() - event.time).total_seconds()
        began = time.monotonic()
        with logs.about(consumer=consumer.name, **ids(event)), metrics.handling(consumer.name, event, age):
            consumer.handle(event, context)
            log.info("%s handled in %.3f s", event.type, time.monotonic() - began)

    return handle


def _helper(name: str, help_out: Callable[[Context], None]) -> Callable[[Context], None]:
    def helping(context: Context) -> None:
        with logs.about(consumer=name):
            help_out(context)

    return helping
