from dataclasses import dataclass

import pytest

from demixer.domain import Event
from demixer.domain.errors import Conflict, NotFound
from demixer.services.optimistic import ATTEMPTS, Decision, change


@dataclass
class Counter:
    """A store of one number, in which `rivals` others save between our load and our save."""

    value: int | None = 0
    rivals: int = 0
    saves: int = 0

    def get(self, id_: str, /) -> int | None:
        return self.value

    def save(self, value: int, events: object = (), /) -> int:
        assert self.value is not None
        if self.rivals:
            self.rivals -= 1
            self.value += 100
            raise Conflict
        self.saves += 1
        self.value = value
        return value


def one_more(value: int) -> Decision[int]:
    events: list[Event] = []
    return value + 1, events


def test_it_decides_anew_on_what_a_quicker_one_saved() -> None:
    store = Counter(rivals=3)
    assert change(store, "it", one_more) == 301


def test_it_saves_nothing_when_there_is_nothing_to_change() -> None:
    store = Counter(value=7)
    assert change(store, "it", lambda value: None) == 7
    assert store.saves == 0


def test_it_says_what_is_missing() -> None:
    with pytest.raises(NotFound) as caught:
        change(Counter(value=None), "it", one_more, missing="no-such-song")
    assert caught.value.code == "no-such-song"


def test_it_gives_up_when_it_loses_every_race() -> None:
    with pytest.raises(Conflict):
        change(Counter(rivals=ATTEMPTS), "it", one_more)
