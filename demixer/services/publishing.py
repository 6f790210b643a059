"""From events to records of the event log."""

from collections.abc import Sequence

from demixer.domain import Event
from demixer.ports import EventLog, Record
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
    """Append the events to the log, in order. Raises `Transient` when none or only some may be durable."""
    log.publish([record(event) for event in events])
