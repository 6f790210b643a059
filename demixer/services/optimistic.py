"""Change a stored aggregate: load, decide, save, and again if somebody else was quicker."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from demixer.domain import Event
from demixer.domain.errors import Conflict, NotFound

T = TypeVar("T")
ATTEMPTS = 20  # each lost race means that another process won: this many in a row are a bug, not bad luck


class Store(Protocol[T]):
    def get(self, id_: str, /) -> T | None: ...

    def save(self, value: T, events: Sequence[Event] = (), /) -> T: ...


Decision = tuple[T, Sequence[Event]] | None


def change(store: Store[T], id_: str, decide: Callable[[T], Decision[T]], *, missing: str = "not-found") -> T:
    """Save what `decide` makes of the stored value, with its events; None from `decide` leaves it as it is.

    Returns what is stored in the end. Raises `NotFound(missing)` if there is nothing under `id_`.
    """
    for _ in range(ATTEMPTS):
        value = store.get(id_)
        if value is None:
            raise NotFound(missing)
        decision = decide(value)
        if decision is None:
            return value
        try:
            return store.save(*decision)
        except Conflict:
            continue
    raise Conflict(id=id_)
