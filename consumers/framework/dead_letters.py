"""Messages that could not be handled: each a record of `<topic>.dead`, with its bytes, the error, and its origin.

Nothing is deleted: `replay` adds an empty record to the same topic that names the letter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from consumers.framework.outcomes import decode_or_none
from demixer.domain import Event
from demixer.domain.errors import DemixerError, NotFound
from demixer.ports import EventLog, Message, Record
from schemas.errors import BadEvent
from schemas.topics import all_topics, dead_letter_topic

REPLAYED = "dead-replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    id: str  # partition and offset in the dead-letter topic: "uploads.dead/0/17"
    topic: str  # of the message
    place: str  # partition and offset of the message: "2/1017"
    group: str
    code: str
    why: str
    time: datetime
    message: Message

    @property
    def event(self) -> Event | None:
        return decode_or_none(self.message.value)


def record(message: Message, *, group: str, error: Exception, now: datetime) -> Record:
    """The dead letter of `message`: its bytes and headers, and ours beside them."""
    code = error.code if isinstance(error, DemixerError | BadEvent) else "internal"
    reason = str(error) if isinstance(error, DemixerError) else f"{code} ({error})"
    headers = {
        "dead-topic": message.topic,
        "dead-place": f"{message.partition}/{message.offset}",
        "dead-group": group,
        "dead-code": code,
        "dead-why": f"{type(error).__name__}: {reason}"[:1000],
        "dead-time": now.isoformat(),
    }
    topic = dead_letter_topic(message.topic)
    return Record(topic=topic, key=message.key, value=message.value, headers={**message.headers, **headers})


def waiting(log: EventLog) -> list[DeadLetter]:
    """The dead letters that were not replayed yet, topic by topic, oldest first."""
    letters: dict[str, DeadLetter] = {}
    for message in _messages(log):
        if replayed := message.headers.get(REPLAYED):
            letters.pop(replayed, None)
        else:
            letter = _letter(message)
            letters[letter.id] = letter
    return list(letters.values())


def find(log: EventLog, letter_id: str) -> DeadLetter:
    """Raises `NotFound("no-such-letter")`, also for one that was replayed."""
    for letter in waiting(log):
        if letter.id == letter_id:
            return letter
    raise NotFound("no-such-letter", id=letter_id)


def replay(log: EventLog, letter: DeadLetter, ask_again: Callable[[Event], bool]) -> None:
    """Try the message of the letter once more, and mark the letter as replayed.

    `ask_again` starts a new attempt of what the event asked for, if that was given up, and says whether it did.
    Otherwise the message is published once more as it was.
    """
    event = letter.event
    if event is None or not ask_again(event):
        headers = {name: value for name, value in letter.message.headers.items() if not name.startswith("dead-")}
        log.publish([Record(letter.topic, letter.message.key, letter.message.value, headers)])
    log.publish([Record(letter.message.topic, letter.message.key, b"", {REPLAYED: letter.id})])


def _messages(log: EventLog) -> Iterator[Message]:
    for topic in map(dead_letter_topic, all_topics()):
        subscription = log.browse([topic], from_start=True)
        try:
            while message := subscription.poll(0):
                yield message
        finally:
            subscription.close()


def _letter(message: Message) -> DeadLetter:
    headers = message.headers
    return DeadLetter(
        id=f"{message.topic}/{message.partition}/{message.offset}",
        topic=headers["dead-topic"],
        place=headers["dead-place"],
        group=headers["dead-group"],
        code=headers["dead-code"],
        why=headers["dead-why"],
        time=datetime.fromisoformat(headers["dead-time"]),
        message=message,
    )
