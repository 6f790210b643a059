"""What could not be handled, with why and from where: a record of `<topic>.dead` for each, with the original bytes.

`replay` says so in the same topic with a note, an empty record that names the letter, so that nothing is ever deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from consumers.framework.outcomes import readable
from demixer.domain import Event
from demixer.domain.errors import DemixerError, NotFound
from demixer.ports import EventLog, Message, Record
from demixer.wiring import Services
from schemas.errors import BadEvent
from schemas.events import SeparationRequested, UploadFingerprinted, UploadReceived
from schemas.topics import all_topics, dead_letter_topic

REPLAYED = "dead-replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    id: str  # partition and offset in the dead-letter topic: "uploads.dead/0/17"
    topic: str  # that the message was in
    place: str  # partition and offset there
    group: str
    code: str
    why: str
    time: datetime
    message: Message

    @property
    def event(self) -> Event | None:
        return readable(self.message.value)


def record(message: Message, *, group: str, error: Exception, now: datetime) -> Record:
    """The dead letter of `message`, its original bytes and headers with ours beside them."""
    headers = {
        "dead-topic": message.topic,
        "dead-place": f"{message.partition}/{message.offset}",
        "dead-group": group,
        "dead-code": error.code if isinstance(error, DemixerError | BadEvent) else "internal",
        "dead-why": f"{type(error).__name__}: {error}"[:1000],
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


def replay(services: Services, letter: DeadLetter) -> None:
    """Try it once more: an upload or a separation that was given up is asked for again, all else is sent as it was."""
    event = letter.event
    if event is None or not _ask_again(services, event):
        kept = {name: value for name, value in letter.message.headers.items() if not name.startswith("dead-")}
        again = Record(topic=letter.topic, key=letter.message.key, value=letter.message.value, headers=kept)
        services.events.publish([again])
    note = {REPLAYED: letter.id}
    services.events.publish([Record(topic=letter.message.topic, key=letter.message.key, value=b"", headers=note)])


def _ask_again(services: Services, event: Event) -> bool:
    """Whether something was given up that this asked for anew."""
    asked = False
    match event.data:
        case UploadReceived(attempt=attempt) | UploadFingerprinted(attempt=attempt):
            asked = services.uploads.revive(event.subject).attempt > attempt
        case SeparationRequested(separation_id=separation_id, attempt=attempt):
            asked = services.separations.request_again(separation_id).attempt > attempt
    services.flush()
    return asked


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
