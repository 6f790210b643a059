"""The sweeper's search for lost events by a clock that runs fast, so that a minute of silence takes seconds.

`python -m tests.e2e.hasty`, beside the sweeper that every service has.
"""

import time
from contextlib import closing

from consumers.framework.periodic import Chore, Timer
from consumers.maintenance import Lost
from demixer.runtime import logs
from demixer.runtime.settings import load
from demixer.wiring import open_services

TIMES = 20


def sweep() -> None:
    settings = load()
    logs.set_up(settings.log_format)
    with closing(open_services(settings)) as services:
        lost = Lost(services, lambda: time.monotonic() * TIMES)
        Timer("hasty", [Chore("lost events", 60 / TIMES, lost.announce)]).run()


if __name__ == "__main__":
    sweep()
