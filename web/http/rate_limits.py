"""Slows people down, with the windows of `limits` in memory, in each process for itself.

All windows begin with the first attempt in them. `now` must be the time by which `limits` counts: `time.time()`.
"""

import hashlib
import math
from datetime import datetime

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from demixer.domain.errors import TooMany

FREE_FAILURES = 4  # to sign in, before the first wait
WAITS = (2, 4, 8, 16, 32, 64, 128, 256, 300)  # seconds after each further failure; the last one from then on
MAX_WINDOWS = 20_000  # in memory; beyond, all are forgotten

LOOKUPS_AT_ONCE = 60  # of a person: an album or two
LOOKUP = RateLimitItemPerSecond(1, namespace="lookup")  # about as long as a browser takes to make one more fingerprint
LOOKUP_BURST = RateLimitItemPerMinute(LOOKUPS_AT_ONCE - 1, 10, namespace="lookup-burst")


class SignInLimit:
    """Slows down whoever guesses passwords: after a few failures each next attempt waits twice as long as the last.

    An attempt is counted by account and address. The count begins anew an hour after the first failure.
    """

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._failures = RateLimitItemPerHour(FREE_FAILURES + len(WAITS), namespace="sign-in-failures")
        self._waits = [RateLimitItemPerSecond(1, seconds, namespace="sign-in") for seconds in WAITS]

    def check(self, account: str, address: str, now: datetime) -> None:
        """Raises `TooMany` while this account has to wait at this address."""
        key = _key(account, address)
        for wait in self._waits:
            if not self._limiter.test(wait, key):
                raise _too_many(self._limiter, wait, key, now)

    def failed(self, account: str, address: str) -> None:
        if len(self._storage.expirations) > MAX_WINDOWS:
            self._storage.reset()
        key = _key(account, address)
        self._limiter.hit(self._failures, key)
        further = len(WAITS) - self._limiter.get_window_stats(self._failures, key).remaining
        if further > 0:
            self._limiter.hit(self._waits[further - 1], key)

    def succeeded(self, account: str, address: str) -> None:
        for item in (self._failures, *self._waits):
            self._limiter.clear(item, _key(account, address))


class LookupLimit:
    """A person may look up `LOOKUPS_AT_ONCE` recordings at once, every ten minutes, and one a second beyond that."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def hit(self, person_id: str, now: datetime) -> None:
        """Raises `TooMany`."""
        if not (self._limiter.hit(LOOKUP, person_id) or self._limiter.hit(LOOKUP_BURST, person_id)):
            raise _too_many(self._limiter, LOOKUP, person_id, now)


def _key(account: str, address: str) -> str:
    """Of one length, whatever was typed."""
    return hashlib.sha256(f"{account.casefold()}\n{address}".encode()).hexdigest()


def _too_many(limiter: FixedWindowRateLimiter, item: RateLimitItem, key: str, now: datetime) -> TooMany:
    reset = limiter.get_window_stats(item, key).reset_time
    return TooMany(seconds=max(1, math.ceil(reset - now.timestamp())))
