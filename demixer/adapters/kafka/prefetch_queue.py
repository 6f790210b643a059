"""What was fetched of a partition and is not done yet: the queue between a Kafka client and whoever polls.

librdkafka throws away what it has fetched when a partition is paused or sought, and asks the broker anew. Our consumers
pause a partition with every message, so they pause here, in memory; `resume` needs no broker either.
"""

from collections import deque
from collections.abc import Collection

from demixer.ports import Message

FULL = 2000  # waiting messages of a partition: no more are fetched ...
LOW = 500  # ... until so few are left


class Line:
    """One partition as long as it is ours. `end`: where it ended when reading began, for those who read up to there."""

    def __init__(self, position: int = 0, end: int = 0) -> None:
        self.paused = self.held_back = False  # for whoever polls; for the client that fetches
        self._position, self._end = position, end
        self._given: deque[Message] = deque()  # handed out, not committed
        self._waiting: deque[Message] = deque()

    def put(self, message: Message) -> None:
        self._waiting.append(message)
        self._position = message.offset + 1

    def reached(self, offset: int) -> None:
        """Nothing more lies before `offset`."""
        self._position = max(self._position, offset)

    @property
    def head(self) -> Message | None:
        """What `take` would hand out."""
        return self._waiting[0] if self._waiting and not self.paused else None

    @property
    def outstanding(self) -> bool:
        """Whether a record that was there when reading began is still on its way here."""
        return not (self.paused or self._waiting) and self._position < self._end

    def take(self) -> Message:
        message = self._waiting.popleft()
        self._given.append(message)
        return message

    def covers(self, offset: int) -> bool:
        """Whether it is still to be committed: handed out, or at least fetched, by this owner."""
        open_ = self._given or self._waiting
        return bool(open_) and open_[0].offset <= offset < self._position

    def done(self, offset: int) -> None:
        """It and all before it are forgotten."""
        for queue in (self._given, self._waiting):
            while queue and queue[0].offset <= offset:
                queue.popleft()

    def rewind(self) -> None:
        """Hand out again whatever is not done."""
        self._waiting.extendleft(reversed(self._given))
        self._given.clear()

    @property
    def full(self) -> bool:
        return len(self._waiting) >= (LOW if self.held_back else FULL)


def oldest(lines: Collection[Line]) -> Line | None:
    """The line whose next message is the oldest of all; None while there is none, or an older one may be on its way."""
    ready = [(head.time, head.partition, line) for line in lines if (head := line.head)]
    if not ready or any(line.outstanding for line in lines):
        return None
    return min(ready, key=lambda one: one[:2])[2]
