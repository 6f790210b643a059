"""When offsets are committed: several messages together where handlers are quick, each at once where work is long.

A commit covers all messages before it in its partition, and costs a round trip to the engine, which is more than most
handlers take. So it may come up to `BATCH_SECONDS` late while there is more to do, and so may the events that the
handlers saved: they are published before the commit. A process that is killed handles again what it did not commit.
"""

import logging
from collections.abc import Callable

from demixer.domain.errors import Transient
from demixer.ports import Message, Subscription, TopicPartition

BATCH_SECONDS = 0.2  # from the first message of a batch to its commit
ENGINE_RETRY_SECONDS = 1.0  # before a busy engine is asked again

log = logging.getLogger(__name__)


class CommitBatch:
    """The messages of one loop that are done and not committed yet.

    `flush` publishes the events that this process saved, and is called before every commit. `clock` in seconds.
    `batched` False: every message is committed at once.
    """

    def __init__(
        self,
        subscription: Subscription,
        flush: Callable[[], object],
        clock: Callable[[], float],
        *,
        batched: bool,
    ) -> None:
        self._subscription, self._flush, self._clock, self._batched = subscription, flush, clock, batched
        self._last_done: dict[TopicPartition, Message] = {}
        self._due = self._retry_at = 0.0

    def __bool__(self) -> bool:
        """Whether any message waits for its commit."""
        return bool(self._last_done)

    def holds(self, message: Message) -> bool:
        """Whether a message of the same partition waits: it would be handed out again if the partition were resumed."""
        return message.topic_partition in self._last_done

    def add(self, message: Message) -> None:
        """Commit the message with the batch. Raises `Transient` where it is committed at once."""
        if not self._batched:
            self.commit_now(message)
            return
        if not self._last_done:
            self._due = self._clock() + BATCH_SECONDS
        self._last_done[message.topic_partition] = message

    def commit_now(self, message: Message) -> None:
        """Commit the message and all before it in its partition. Raises `Transient`."""
        self._flush()
        self._subscription.commit(message)
        self._last_done.pop(message.topic_partition, None)

    def commit_due(self, *, early: bool = False) -> None:
        """Commit the batch if it is due, or `early`. Where the engine is busy the batch is kept for a later call."""
        now = self._clock()
        if not self._last_done or not (early or now >= self._due):
            return
        self._flush()
        if now < self._retry_at:
            return
        try:
            self._subscription.commit(*self._last_done.values())
            self._last_done.clear()
        except Transient as error:
            self._retry_at = now + ENGINE_RETRY_SECONDS
            log.warning("commits are tried again in %.1f s: %s", ENGINE_RETRY_SECONDS, error)
