"""How long to wait before trying again: twice as long each time up to a minute, with jitter, so often as is allowed."""

import random
from collections.abc import Callable

from demixer.ports import TopicPartition

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 60.0
DOUBLINGS = 16  # beyond the longest wait; more would be a number that is too large for a float


class Retries:
    """Counts the tries of the message at each place, `limit` of them, or any number; `chance` gives 0 to 1.

    Between half and the whole of the doubled wait is taken, so that many who failed at once do not come back at once
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter, "equal jitter").
    """

    def __init__(self, limit: int | None, chance: Callable[[], float] = random.random) -> None:
        self._limit, self._chance = limit, chance
        self._tries: dict[TopicPartition, tuple[int, int]] = {}  # offset, tries

    def next_wait(self, place: TopicPartition, offset: int) -> float | None:
        """Seconds to wait after this failure, or None when it was the last try."""
        known, tries = self._tries.get(place, (offset, 0))
        tries = tries if known == offset else 0
        if self._limit is not None and tries >= self._limit:
            return None
        self._tries[place] = offset, tries + 1
        whole = min(FIRST_SECONDS * 2.0 ** min(tries, DOUBLINGS), LONGEST_SECONDS)
        return whole * (0.5 + self._chance() / 2)

    def forget(self, place: TopicPartition) -> None:
        self._tries.pop(place, None)
