"""When what is done is committed: several at once where they come quickly, each for itself where work is long.

A commit holds for all before it in its partition, and costs a round trip to the engine: more than most handlers do.
So it may come a moment late, while there is more to do, and so may the events that tell of what was done: they are
published before it. What was not committed when a process is killed is done once more, as ever; it is that of a moment
now.
"""

import logging
from collections.abc import Callable

from demixer.domain.errors import Transient
from demixer.ports import Message, Subscription, TopicPartition

LATE_SECONDS = 0.2  # at most, after the first that waits; what a killed process did in it is done again
ENGINE_SECONDS = 1.0  # before asking again an engine that was busy

log = logging.getLogger(__name__)


class Commits:
    """Of the messages of one loop. `publish` tells what they did; `clock` in seconds; `together`: late will do."""

    def __init__(
        self,
        subscription: Subscription,
        publish: Callable[[], object],
        clock: Callable[[], float],
        *,
        together: bool,
    ) -> None:
        self._subscription, self._publish, self._clock, self._together = subscription, publish, clock, together
        self._waiting: dict[TopicPartition, Message] = {}  # the last that is done
        self._due = self._rest_until = 0.0

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._waiting)

    def holds(self, message: Message) -> bool:
        """Whether one of its partition waits: what comes after the last commit would come again."""
        return message.topic_partition in self._waiting

    def done(self, message: Message) -> None:
        """Now or soon. Raises `Transient` where it is now."""
        if not self._together:
            self.now(message)
            return
        self._due = self._due if self._waiting else self._clock() + LATE_SECONDS
        self._waiting[message.topic_partition] = message

    def now(self, message: Message) -> None:
        """With all before it. Raises `Transient`."""
        self._publish()
        self._subscription.commit(message)
        self._waiting.pop(message.topic_partition, None)

    def make(self, *, early: bool = False) -> None:
        """Those that are due, or `early` all that wait. An engine that is busy is asked again a little later."""
        now = self._clock()
        if not self._waiting or not (early or now >= self._due):
            return
        self._publish()
        if now < self._rest_until:
            return
        try:
            self._subscription.commit(*self._waiting.values())
            self._waiting.clear()
        except Transient as error:
            self._rest_until = now + ENGINE_SECONDS
            log.warning("commits have to wait for %.1f s: %s", ENGINE_SECONDS, error)
