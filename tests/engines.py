"""The engines that the tests use: embedded ones in the test's folder, or servers (`pytest --engines=servers`).

Every folder is an installation of its own. On servers it has its own namespaces, which are the same whenever the folder
is opened again. Between tests databases are emptied, since making their indexes takes longer; topics are deleted.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demixer.adapters.kafka.client import cluster_of
from tests import servers

QUICK_GROUPS = "session.timeout.ms=3000&heartbeat.interval.ms=300&fetch.wait.max.ms=50"  # shorter waits in tests


class Servers:
    """One server of each kind, started for this process."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self.kafka, self.mongodb, self.elasticsearch, self.s3 = (
            held.enter_context(servers.started(open_, folder))
            for open_ in (servers.kafka, servers.mongodb, servers.elasticsearch, servers.s3)
        )
        self._urls: dict[Path, dict[str, str]] = {}
        self._emptied: list[str] = []

    def settings(self, folder: Path) -> dict[str, str]:
        """The URLs of the installation in `folder`, by the field names of `Settings`."""
        return self._urls.setdefault(folder.resolve(), self._new())

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Empty the installations that are made inside the `with` block, for use by other tests."""
        before = set(self._urls)
        yield
        for folder in self._urls.keys() - before:
            urls = self._urls.pop(folder)
            _empty(urls["catalogue_url"])
            _delete_topics(urls["events_url"])
            self._emptied.append(urls["catalogue_url"])

    def _new(self) -> dict[str, str]:
        database = self._emptied.pop() if self._emptied else self.mongodb.fresh()
        return {
            "events_url": _with(self.kafka.fresh(), QUICK_GROUPS),
            "catalogue_url": database,
            "accounts_url": database,
            "search_url": self.elasticsearch.fresh(),
            "files_url": self.s3.fresh(),
        }


in_use: Servers | None = None  # None: the tests of this process use embedded engines


@contextmanager
def on_servers(folder: Path) -> Iterator[None]:
    global in_use
    with ExitStack() as held:
        in_use = Servers(folder, held)
        try:
            yield
        finally:
            in_use = None


def settings(folder: Path) -> dict[str, str]:
    return in_use.settings(folder) if in_use else {}


def environ(folder: Path) -> dict[str, str]:
    """The same as environment variables of another process."""
    return {name.upper(): url for name, url in settings(folder).items()}


def _with(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{options}"


def _empty(url: str) -> None:
    """Every collection except `migrations`, which notes the indexes that exist."""
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](url) as client:
        database = client.get_default_database()
        for name in database.list_collection_names():
            if name != "migrations":
                database[name].delete_many({})


def _delete_topics(url: str) -> None:
    """Brokers hold memory and open files for every partition; a test makes up to 26."""
    from confluent_kafka.admin import AdminClient

    cluster = cluster_of(url)
    admin = AdminClient({"bootstrap.servers": cluster.properties["bootstrap.servers"]})
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(cluster.name(""))]
    for deleted in admin.delete_topics(names).values() if names else ():
        deleted.result(10)
