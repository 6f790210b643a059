"""The messages of one partition between librdkafka and whoever polls: fetched, handed out, not committed yet.

librdkafka discards what it has fetched when a partition is paused or sought, and fetches it again. The consumers pause
a partition with every message, so pausing and resuming happen here, in memory.
"""

from collections import deque
from collections.abc import Collection

from demixer.ports import Message

HIGH_WATER = 2000  # messages that wait in a queue before fetching stops ...
LOW_WATER = 500  # ... until so few are left


class PrefetchQueue:
    """The queue of one partition while it is assigned to this member.

    `end`: the end of the partition when reading began, for a reader that stops there.
    """

    def __init__(self, position: int = 0, end: int = 0) -> None:
        self.paused = False  # `poll` hands out nothing of it
        self.fetch_paused = False  # librdkafka fetches nothing for it
        self._position, self._end = position, end  # offsets: of the next message to fetch, and past the last one
        self._uncommitted: deque[Message] = deque()  # handed out
        self._waiting: deque[Message] = deque()

    def put(self, message: Message) -> None:
        self._waiting.append(message)
        self._position = message.offset + 1

    def skip_to(self, offset: int) -> None:
        """No message lies before `offset`."""
        self._position = max(self._position, offset)

    @property
    def position(self) -> int:
        return self._position

    @property
    def head(self) -> Message | None:
        """The message that `take` hands out next."""
        return self._waiting[0] if self._waiting and not self.paused else None

    @property
    def is_behind(self) -> bool:
        """Whether a record that was there when reading began has not been fetched yet."""
        return not (self.paused or self._waiting) and self._position < self._end

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= (LOW_WATER if self.fetch_paused else HIGH_WATER)

    def take(self) -> Message:
        message = self._waiting.popleft()
        self._uncommitted.append(message)
        return message

    def may_commit(self, offset: int) -> bool:
        """Whether this member fetched the message, and has not committed it."""
        pending = self._uncommitted or self._waiting
        return bool(pending) and pending[0].offset <= offset < self._position

    def committed(self, offset: int) -> None:
        """Forget the message of this offset and all before it."""
        for queue in (self._uncommitted, self._waiting):
            while queue and queue[0].offset <= offset:
                queue.popleft()

    def rewind(self) -> None:
        """Hand out again whatever is not committed."""
        self._waiting.extendleft(reversed(self._uncommitted))
        self._uncommitted.clear()


def oldest(queues: Collection[PrefetchQueue]) -> PrefetchQueue | None:
    """The queue whose next message is the oldest of all; None where none has one, or an older one may still come."""
    ready = [(head.time, head.partition, queue) for queue in queues if (head := queue.head)]
    if not ready or any(queue.is_behind for queue in queues):
        return None
    return min(ready, key=lambda each: each[:2])[2]
