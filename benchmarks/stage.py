"""What benchmarks on servers share: the servers of the tests, services, processes, and log lines that go nowhere."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from consumers.framework.consumer import Consumer
from consumers.framework.loop import Loop
from consumers.framework.member_lease import MemberLease
from consumers.framework.process import Process
from consumers.registry import build_loop
from demixer.runtime import logs
from demixer.runtime.settings import load
from demixer.wiring import Services, open_services
from tests import servers
from tests.contract.kafka_worlds import with_options
from tests.engines import QUICK_GROUPS, Servers


@contextmanager
def kafka(folder: Path) -> Iterator[Callable[[], str]]:
    """Each call gives the `EVENTS_URL` of an empty log. The test broker lets nobody into a group before half a session
    timeout is over, so that is short."""
    with servers.started(servers.kafka, folder) as engine:
        yield lambda: with_options(engine.fresh(), QUICK_GROUPS)


@contextmanager
def services_in(folder: Path, **environ: str) -> Iterator[Services]:
    """On embedded engines below `folder`, but for what `environ` names."""
    services = open_services(load({"DATA_DIR": str(folder), "MODEL": "spleeter-2stems", **environ}))
    try:
        yield services
    finally:
        services.close()


def quiet() -> None:
    """Lines of the log are made, as in the service, and go where no terminal slows them down."""
    logs.set_up("text", stream=Path(os.devnull).open("w"))  # noqa: SIM115 - as long as there are lines


@contextmanager
def servers_in(folder: Path) -> Iterator[Mapping[str, str]]:
    """Kafka, MongoDB, Elasticsearch and S3, as the environment of a process names them."""
    with ExitStack() as held:
        running = Servers(folder, held)
        yield {name.upper(): url for name, url in running.settings(folder).items()}


@contextmanager
def beside(work: Callable[..., None], *arguments: Sequence[object]) -> Iterator[None]:
    """`work` in a process of its own for each of `arguments`, asked to end by SIGTERM."""
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=work, args=each, daemon=True) for each in arguments]
    try:
        for process in running:
            process.start()
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join()


def consume(environ: Mapping[str, str], *consumers: Callable[[Services], Consumer]) -> None:
    """As `demixer consume` does it, until SIGTERM."""
    quiet()
    with closing(open_services(load(environ))) as services, ExitStack() as held:
        running = Process([_loop(services, made(services), held) for made in consumers])
        signal.signal(signal.SIGTERM, lambda number, frame: running.stop())
        running.run()


def _loop(services: Services, consumer: Consumer, held: ExitStack) -> Loop:
    lease = MemberLease(services.settings.data_dir / "members", consumer.name)
    held.callback(lease.release)
    return build_loop(services, consumer, lease.name)
