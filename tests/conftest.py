"""The fixtures that several suites share. The web and the browser suite have houses of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from demixer.house import House
from tests import servers
from tests.browser.browsing import chromium
from tests.houses import Clock, house_in
from tests.servers import Engine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    with house_in(tmp_path / "data", clock) as opened:
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
