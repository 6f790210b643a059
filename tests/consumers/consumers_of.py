"""The consumers made of services, as `consumers.registry` makes them."""

from collections.abc import Callable

from consumers import fingerprint as fingerprint_module
from consumers import index as index_module
from consumers import maintenance as maintenance_module
from consumers import match as match_module
from consumers import names as names_module
from consumers import separate as separate_module
from consumers.framework.consumer import Consumer
from consumers.framework.periodic import Timer
from consumers.separate import Worker
from demixer.wiring import Services


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
        services.relay,
        services.uploads,
        services.separations,
        services.removals,
        services.capabilities,
        services.clock,
        clock,
    )
