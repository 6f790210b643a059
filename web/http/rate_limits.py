"""Slows people down, each process for itself: enough to keep them from harm, and nothing to look after.

`Throttle` is for whoever guesses passwords: after a few failures each next try has to wait twice as long.
`Allowance` is for what costs the server something: many at once, and then one every so often.
"""

import math
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from demixer.domain.errors import TooMany

FREE = 5  # failures before the first wait
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=5)
REMEMBERED = 10_000  # pairs of account and address; the oldest are forgotten first


class Throttle:
    """Counts failures per key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, datetime]] = OrderedDict()  # how many, and until when to wait

    def check(self, key: str, now: datetime) -> None:
        """Raises `TooMany` while `key` has to wait."""
        _, until = self._failures.get(key, (0, now))
        if until > now:
            raise TooMany(seconds=int((until - now).total_seconds()) + 1)

    def failed(self, key: str, now: datetime) -> None:
        with self._lock:
            count = self._failures.pop(key, (0, now))[0] + 1
            self._failures[key] = (count, now + _wait(count))
            if len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        with self._lock:
            self._failures.pop(key, None)


class Allowance:
    """`at_once` for each key, and one more every `each`."""

    def __init__(self, at_once: int, each: timedelta) -> None:
        self._at_once, self._each = at_once, each
        self._lock = threading.Lock()
        self._used_up_to: OrderedDict[str, datetime] = OrderedDict()  # when all that was taken will have come back

    def take(self, key: str, now: datetime) -> None:
        """Raises `TooMany` when nothing is left, and takes nothing then."""
        with self._lock:
            until = max(self._used_up_to.pop(key, now), now) + self._each
            wait = until - now - self._at_once * self._each
            self._used_up_to[key] = until - self._each if wait > timedelta(0) else until
            if len(self._used_up_to) > REMEMBERED:
                self._used_up_to.popitem(last=False)
        if wait > timedelta(0):
            raise TooMany(seconds=math.ceil(wait.total_seconds()))


def _wait(failures: int) -> timedelta:
    if failures < FREE:
        return timedelta(0)
    doublings: int = min(failures - FREE, 20)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
