"""From the catalogue's outbox to the event log: how state and events cannot disagree for good.

A change and its events are stored in one transaction; whoever stored them flushes at once, and the sweeper flushes what
a killed process left. An event may be published twice, never lost: handlers take the second one for what it is.
"""

from collections.abc import Sequence

from demixer.domain import Event
from demixer.ports import EventLog, Outbox, Record
from schemas import codec
from schemas.topics import topic_of


def record(event: Event) -> Record:
    return Record(
        topic=topic_of(event.type),
        key=event.subject,
        value=codec.encode(event),
        headers={"content-type": codec.CONTENT_TYPE, "type": event.type},
    )


def publish(log: EventLog, events: Sequence[Event]) -> None:
    """Straight to the log, for events that may be lost (`separation.progressed`)."""
    log.publish([record(event) for event in events])


def flush(outbox: Outbox, log: EventLog) -> int:
    """Publish all that is pending, oldest first. Returns how many; nothing is lost when an engine raises."""
    flushed = 0
    while events := outbox.pending():
        publish(log, events)
        outbox.mark_published([event.id for event in events])
        flushed += len(events)
    return flushed
