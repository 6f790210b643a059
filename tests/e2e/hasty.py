"""The search for lost events by a clock that runs fast, so that a minute without a change takes seconds.

`python -m tests.e2e.hasty`, beside the maintenance consumer that every service has.
"""

import time

from consumers.framework.periodic import PeriodicTask, Timer
from consumers.maintenance import LostEventRepublisher
from demixer.runtime import logs
from demixer.runtime.settings import load
from demixer.wiring import services_of

TIMES = 20


def main() -> None:
    settings = load()
    logs.set_up(settings.log_format)
    with services_of(settings) as services:
        lost = LostEventRepublisher(
            services.catalogue,
            services.events,
            services.uploads,
            services.separations,
            services.capabilities,
            services.clock,
            lambda: time.monotonic() * TIMES,
        )
        Timer("hasty", [PeriodicTask("lost events", 60 / TIMES, lost.republish)]).run()


if __name__ == "__main__":
    main()
