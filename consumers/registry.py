"""Which consumers there are, and how each is made. Its module, and what that needs, is imported when asked for."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from consumers.framework.consumer import Consumer
from consumers.framework.instrumentation import watched
from consumers.framework.loop import Loop
from consumers.framework.member_lease import Seat
from demixer.wiring import House


class Runnable(Protocol):
    name: str

    def run(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def stuck(self) -> bool:
        """It has not come round for longer than anything takes."""


def build(name: str, house: House, held: ExitStack) -> Runnable:
    """`name` is one of `NAMES`. What has to be let go in the end is put on `held`."""
    if name == "sweep":
        return _sweep(house)
    seat = Seat(house.settings.data_dir / "members", name)
    held.callback(seat.leave)
    return Loop(house, watched(_CONSUMERS[name](house)), member=seat.name)


def _fingerprint(house: House) -> Consumer:
    from consumers import fingerprint

    return fingerprint.consumer(house)


def _match(house: House) -> Consumer:
    from consumers import match

    return match.consumer(house)


def _separate(house: House) -> Consumer:
    from consumers import separate

    return separate.consumer(house)


def _index(house: House) -> Consumer:
    from consumers import index

    return index.consumer(house)


def _names(house: House) -> Consumer:
    from consumers import names

    return names.consumer(house)


def _sweep(house: House) -> Runnable:
    from consumers import maintenance

    return maintenance.timer(house)


_CONSUMERS: Mapping[str, Callable[[House], Consumer]] = {
    "fingerprint": _fingerprint,
    "match": _match,
    "separate": _separate,
    "index": _index,
    "names": _names,
}
NAMES = (*_CONSUMERS, "sweep")
