"""The fixtures that several suites share. The web and the browser suite have houses of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from demixer.house import House
from tests.browser.browsing import chromium
from tests.houses import Clock, house_in


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
