"""What the consumers of the source have not done yet, told to those of the target."""

from collections.abc import Iterator
from itertools import islice

from demixer.ports import EventLog, Message, Outbox, Record
from demixer.services.publishing import publish
from schemas.topics import Topic, all_topics

BATCH = 500
ALL = 1_000_000  # events in an outbox


def carry_topics(source: EventLog, target: EventLog) -> int:
    """Every topic that has records which a group has not handled, whole: consumers take a replay for what it is.

    In the order of each partition, which is the order of each key. Returns how many records.
    """
    return sum(_copy(source, target, topic.name) for topic in all_topics().values() if not _handled(source, topic))


def carry_outbox(source: Outbox, target: EventLog) -> int:
    """They stay in the source, and are never told twice by a run that ended. Returns how many events."""
    events = source.pending(ALL)
    publish(target, events)
    return len(events)


def _messages(log: EventLog, topic: str) -> Iterator[Message]:
    """All that the topic holds now."""
    subscription = log.browse([topic], from_start=True)
    try:
        while message := subscription.poll(0):
            yield message
    finally:
        subscription.close()


def _handled(log: EventLog, topic: Topic) -> bool:
    """A group that was never there has everything before it. What nobody but live pages reads may be lost."""
    return all(log.lag(group).get(topic.name) == 0 for group in topic.readers)


def _copy(source: EventLog, target: EventLog, topic: str) -> int:
    copied, waiting = 0, _messages(source, topic)
    while batch := list(islice(waiting, BATCH)):
        target.publish([Record(topic=topic, key=one.key, value=one.value, headers=one.headers) for one in batch])
        copied += len(batch)
    return copied
