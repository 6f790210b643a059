"""What the web server counts. Its processes count into shared files, and each can expose the sums of all.

The library looks for `PROMETHEUS_MULTIPROC_DIR` when it is imported, and then takes files instead of memory. So
`web.server` sets it first, and this module is imported with the application, in the process that serves.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from demixer.services.health import Health
from demixer.services.metrics import CONTENT_TYPE, Inventory, exposition
from demixer.wiring import Services

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"  # any other method or path: the number of label values is bounded
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)  # uploads take long


class WebMetrics:
    """One for each application."""

    content_type = CONTENT_TYPE

    def __init__(self, services: Services, health: Health) -> None:
        self._inventory = Inventory(services.catalogue, services.events, health, services.clock)
        own = self._own = CollectorRegistry()
        self.requests = Counter(
            "demixer_web_requests", "Requests answered.", ["route", "method", "status"], registry=own
        )
        self.seconds = Histogram(
            "demixer_web_request_seconds",
            "From the arrival of a request until its answer begins; an upload arrives in between.",
            ["route", "method"],
            buckets=SECONDS,
            registry=own,
        )
        self.uploads = Counter("demixer_web_uploads", "Files received whole.", registry=own)
        self.bytes = Counter("demixer_web_upload_bytes", "Bytes of files received whole.", registry=own)
        self.live_pages = Gauge("demixer_web_live_pages", "Open live pages.", multiprocess_mode="livesum", registry=own)

    def answered(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """`route` is the template of a route, "" for an address that has none."""
        known = method if method in METHODS else OTHER
        self.requests.labels(route or OTHER, known, str(status)).inc()
        self.seconds.labels(route or OTHER, known).observe(seconds)

    def received(self, size: int) -> None:
        """A file of `size` bytes."""
        self.uploads.inc()
        self.bytes.inc(size)

    def exposition(self) -> bytes:
        """In the text format of Prometheus: of all processes where they share a folder, else of this one."""
        registry = CollectorRegistry()
        registry.register(self._inventory)
        folder = os.environ.get(FOLDER)
        if folder:
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        else:
            registry.register(self._own)
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        return exposition(registry)


def forget(pid: int) -> None:
    """A process ended: its counters stay, its gauges do not."""
    mark_process_dead(pid, os.environ[FOLDER])  # type: ignore[no-untyped-call]
