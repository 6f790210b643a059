"""The consumers made of services, as `consumers.registry` makes them, and the periodic tasks of `maintenance`."""

from collections.abc import Callable, Sequence

from consumers import fingerprint as fingerprint_module
from consumers import index as index_module
from consumers import maintenance as maintenance_module
from consumers import match as match_module
from consumers import names as names_module
from consumers import separate as separate_module
from consumers.framework.consumer import Consumer
from consumers.framework.periodic import Timer
from consumers.maintenance import LeftOverFiles, LostEventRepublisher, StaleLeaseReaper
from consumers.separate import Worker
from demixer.services.unit_of_work import OutboxRelay
from demixer.wiring import Services


def everything(services: Services, worker: Worker) -> Sequence[Consumer]:
    """From a received file to a song in the search index."""
    return fingerprint(services), match(services), separate(services, worker), index(services)


def fingerprint(services: Services) -> Consumer:
    return fingerprint_module.consumer(services.upload_analyses, services.analyser)


def match(services: Services) -> Consumer:
    return match_module.consumer(services.matching, services.removals, services.upload_analyses)


def separate(
    services: Services,
    worker: Worker,
    *,
    wait: Callable[[float], object] = lambda _: None,
    clock: Callable[[], float] = lambda: 0.0,
) -> Consumer:
    return separate_module.consumer(
        services.catalogue.separations,
        services.separations,
        services.matching,
        services.files,
        worker,
        services.settings.data_dir / "tmp",
        services.clock,
        wait=wait,
        clock=clock,
    )


def index(services: Services) -> Consumer:
    return index_module.consumer(services.catalogue.songs, services.search)


def names(services: Services) -> Consumer:
    return names_module.consumer(services.naming)


def maintenance(services: Services, clock: Callable[[], float]) -> Timer:
    return maintenance_module.timer(
        services.catalogue,
        services.events,
        services.files,
        services.search,
        relay(services, clock),
        services.uploads,
        services.separations,
        services.removals,
        services.capabilities,
        services.clock,
        clock,
    )


def relay(services: Services, clock: Callable[[], float]) -> OutboxRelay:
    return OutboxRelay(services.catalogue.outbox, services.events, clock)


def lease_reaper(services: Services, clock: Callable[[], float]) -> StaleLeaseReaper:
    return StaleLeaseReaper(services.catalogue, services.separations, clock)


def lost_events(services: Services, clock: Callable[[], float]) -> LostEventRepublisher:
    return LostEventRepublisher(
        services.catalogue,
        services.events,
        services.uploads,
        services.separations,
        services.capabilities,
        services.clock,
        clock,
    )


def left_over_files(services: Services) -> LeftOverFiles:
    return LeftOverFiles(services.catalogue, services.files, services.removals, services.clock)
