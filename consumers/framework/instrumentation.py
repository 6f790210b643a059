"""What is noted of every event that a consumer handles: the ids in its log lines, a line, and metrics."""

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

ID_FIELDS = {"upload": "upload_id", "song": "song_id", "separation": "separation_id"}  # of log lines, of events
QUICK_SECONDS = 0.0001  # a handler that takes less has stored nothing: it is counted, and not worth a line

log = logging.getLogger(__name__)


def instrumented(consumer: Consumer, now: Callable[[], datetime]) -> Consumer:
    """The same consumer with logs and metrics. `now` is compared with the time of the events."""
    name, do, help_out = consumer.name, consumer.handle, consumer.help_out

    def handle(event: Event, context: Context) -> None:
        event_type = event.data.TYPE
        handling, began = metrics.handling(name, event_type), perf_counter()
        handling.age.observe(max(0.0, (now() - event.time).total_seconds()))
        with logs.about(partial(ids, name, event)):
            try:
                do(event, context)
            finally:
                seconds = perf_counter() - began
                handling.seconds.observe(seconds)
            if seconds >= QUICK_SECONDS:
                log.info("%s handled in %.3f s", event_type, seconds)
        metrics.count_failure(event)

    def helping(context: Context) -> None:
        if help_out is not None:
            with logs.about(consumer=name):
                help_out(context)

    return replace(consumer, handle=handle, help_out=help_out and helping)


def ids(consumer: str, event: Event | None) -> dict[str, object]:
    """The ids of what the event is about, for `demixer.runtime.logs.about`."""
    if event is None:
        return {"consumer": consumer}
    about = {name: getattr(event.data, field, None) for name, field in ID_FIELDS.items()}
    return {"consumer": consumer, "event": event.id, **about}
