"""Which consumers there are, and how each is made of the services. Its module is imported when it is asked for."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from consumers.framework.consumer import Consumer
from consumers.framework.instrumentation import watched
from consumers.framework.loop import Loop
from consumers.framework.member_lease import Seat
from demixer.wiring import Services


class Runnable(Protocol):
    name: str

    def run(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def stuck(self) -> bool:
        """It has not come round for longer than anything takes."""


def build(name: str, services: Services, held: ExitStack) -> Runnable:
    """`name` is one of `NAMES` or `ALIASES`. What has to be closed in the end is put on `held`."""
    if ALIASES.get(name, name) == "maintenance":
        return _maintenance(services)
    seat = Seat(services.settings.data_dir / "members", name)
    held.callback(seat.leave)
    return Loop(services, watched(_CONSUMERS[name](services, seat.name), services.clock), member=seat.name)


def _fingerprint(services: Services, member: str) -> Consumer:
    from consumers import fingerprint

    return fingerprint.consumer(services.upload_analyses, services.analyser)


def _match(services: Services, member: str) -> Consumer:
    from consumers import match

    return match.consumer(services.matching, services.removals, services.upload_analyses)


def _separate(services: Services, member: str) -> Consumer:
    from consumers import separate
    from consumers.capability_reporter import CapabilityReporter
    from demixer.separation.capability import describer
    from demixer.separation.worker import SeparationWorker

    describe = describer(services.settings, member, services.clock)
    reporter = CapabilityReporter(describe, services.capabilities, services.matching, services.flush)
    reporter.start()
    return separate.consumer(
        services.catalogue.separations,
        services.separations,
        services.matching,
        services.files,
        SeparationWorker(services.settings),
        services.settings.data_dir / "tmp",
        services.clock,
        on_close=reporter.close,
    )


def _index(services: Services, member: str) -> Consumer:
    from consumers import index

    return index.consumer(services.catalogue.songs, services.search)


def _names(services: Services, member: str) -> Consumer:
    from consumers import names

    return names.consumer(services.naming)


def _maintenance(services: Services) -> Runnable:
    from consumers import maintenance

    return maintenance.timer(
        services.catalogue,
        services.events,
        services.files,
        services.search,
        services.relay,
        services.uploads,
        services.separations,
        services.removals,
        services.capabilities,
        services.clock,
    )


_CONSUMERS: Mapping[str, Callable[[Services, str], Consumer]] = {  # by name: of the services and the member's name
    "fingerprint": _fingerprint,
    "match": _match,
    "separate": _separate,
    "index": _index,
    "names": _names,
}
NAMES = (*_CONSUMERS, "maintenance")
ALIASES: Mapping[str, str] = {"sweep": "maintenance"}  # its name until version 0.1
