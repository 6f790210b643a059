"""The fixtures that several suites share. The web and the browser suite have services of their own."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from demixer.wiring import Services
from tests import engines, servers
from tests.browser.browsing import chromium
from tests.servers import Engine
from tests.wired import Clock, services_in


def pytest_addoption(parser: pytest.Parser) -> None:
    choices = ("embedded", "servers")
    parser.addoption("--engines", choices=choices, default="embedded", help="the engines of the services in the tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--engines") == "servers":
        left_out = [item for item in items if any(map(item.get_closest_marker, ("embedded", "own_servers")))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if request.config.getoption("--engines") == "embedded":
        yield
        return
    with engines.on_servers(tmp_path_factory.mktemp("servers")):
        yield


@pytest.fixture(autouse=True)
def _installations() -> Iterator[None]:
    """Those of fixtures with a wider scope were there before."""
    with engines.in_use.forgetting() if engines.in_use else nullcontext():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def services(tmp_path: Path, clock: Clock) -> Iterator[Services]:
    with services_in(tmp_path / "data", clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Playwright starts once in a process."""
    with sync_playwright() as playwright:
        opened = chromium(playwright)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each server starts when the first test asks for it, once in a process."""
    with servers.started(servers.kafka, tmp_path_factory.mktemp("kafka")) as engine:
        yield engine


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with servers.started(servers.mongodb, tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with servers.started(servers.elasticsearch, tmp_path_factory.mktemp("elasticsearch")) as engine:
        yield engine


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with servers.started(servers.s3, tmp_path_factory.mktemp("s3")) as engine:
        yield engine
