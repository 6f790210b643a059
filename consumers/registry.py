"""Which consumers there are, and how each is made of the services. Its module is imported when it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from consumers.framework import status
from consumers.framework.consumer import Consumer
from consumers.framework.instrumentation import instrumented
from consumers.framework.loop import Loop
from consumers.framework.member_lease import MemberLease
from consumers.framework.process import Process, Runnable
from demixer.wiring import Services

NEEDED = ("catalogue", "files", "events")  # engines of every consumer


def consumers_of(services: Services, names: Sequence[str], held: ExitStack) -> Process:
    """A process of these consumers, with its status page where METRICS_PORT is set. What has to be closed in the end is
    put on `held`."""
    process = Process([build(name, services, held) for name in names])
    needed = (*NEEDED, "search") if "index" in names else NEEDED
    status.serve(services.settings, services.health(needed=needed), process.stuck, held)
    return process


def build(name: str, services: Services, held: ExitStack) -> Runnable:
    """`name` is one of `NAMES` or `ALIASES`. What has to be closed in the end is put on `held`."""
    if ALIASES.get(name, name) == "maintenance":
        return _maintenance(services)
    lease = MemberLease(services.settings.data_dir / "members", name)
    held.callback(lease.release)
    return build_loop(services, _CONSUMERS[name](services, lease.name), lease.name)


def build_loop(services: Services, consumer: Consumer, member: str) -> Loop:
    """`member` is the name of this process in the consumer group."""
    return Loop(
        instrumented(consumer, services.clock),
        log=services.events,
        flush=services.flush,
        counts_dir=services.settings.data_dir / "deliveries",
        now=services.clock,
        member=member,
    )


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
