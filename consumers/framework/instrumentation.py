"""What is told of every event that a consumer handles: the ids that lines in the log carry, a line, and the counts."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from time import perf_counter

from consumers.framework import metrics
from consumers.framework.consumer import Consumer, Context
from demixer.domain import Event
from demixer.runtime import logs

SUBJECTS = {"upload": "upload_id", "song": "song_id", "separation": "separation_id"}  # as the events name them
QUICK_SECONDS = 0.0001  # whoever needs less has stored nothing: that is counted, and not worth a line

log = logging.getLogger(__name__)


def watched(consumer: Consumer, now: Callable[[], datetime]) -> Consumer:
    """It does what it did, and that is told."""
    helped = consumer.help_out
    return replace(consumer, handle=_handler(consumer, now), help_out=helped and _helper(consumer.name, helped))


def ids(consumer: str, event: Event | None) -> dict[str, object]:
    """Of what the event is about, for `demixer.runtime.logs.about`."""
    if event is None:
        return {"consumer": consumer}
    return {
        "consumer": consumer,
        "event": event.id,
        **{name: getattr(event.data, key, None) for name, key in SUBJECTS.items()},
    }


def _handler(consumer: Consumer, now: Callable[[], datetime]) -> Callable[[Event, Context], None]:
    name, do = consumer.name, consumer.handle

    def handle(event: Event, context: Context) -> None:
        counts, began = metrics.handling(name, event.type), perf_counter()
        counts.age.observe(max(0.0, (now() - event.time).total_seconds()))
        with logs.about(partial(ids, name, event)):
            try:
                do(event, context)
            finally:
                seconds = perf_counter() - began
                counts.seconds.observe(seconds)
            if seconds >= QUICK_SECONDS:
                log.info("%s handled in %.3f s", event.type, seconds)
        metrics.handled(event)

    return handle


def _helper(name: str, help_out: Callable[[Context], None]) -> Callable[[Context], None]:
    def helping(context: Context) -> None:
        with logs.about(consumer=name):
            help_out(context)

    return helping
