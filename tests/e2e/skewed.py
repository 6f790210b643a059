"""`demixer consume` on a machine whose clock is wrong: `python -m tests.e2e.skewed SECONDS NAME...`, in any process.

The clock of the services is the one clock of everything that the service writes down and compares.
"""

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta

from consumers import registry
from demixer.runtime import logs
from demixer.runtime.settings import load
from demixer.wiring import build_services, open_adapters, utc_now


def consume(seconds: float, names: Sequence[str]) -> int:
    settings = load()
    logs.set_up(settings.log_format)
    with closing(open_adapters(settings)) as adapters, ExitStack() as held:
        skewed = replace(adapters, clock=lambda: utc_now() + timedelta(seconds=seconds))
        running = registry.consumers_of(build_services(skewed), names, held)
        signal.signal(signal.SIGTERM, lambda number, frame: running.stop())
        return running.run()


if __name__ == "__main__":
    sys.exit(consume(float(sys.argv[1]), sys.argv[2:]))
