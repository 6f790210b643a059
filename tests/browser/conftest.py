"""Fixtures of the browser tests: the helpers are in `tests.browser.browsing`."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from demixer.domain import Person, Song
from demixer.wiring import Services, open_services
from tests.browser.browsing import DESKTOP, a_playable_song, served, sign_in, watched
from tests.wired import a_person, settings_in
from web.app import close, create_app


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    opened = open_services(settings_in(tmp_path_factory.mktemp("browser"), model="spleeter-2stems", max_upload_mb=1))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def site(services: Services) -> Iterator[str]:
    app = create_app(services)
    with served(app) as address:
        yield address
        close(app)


@pytest.fixture(scope="session")
def ana(services: Services) -> Person:
    return a_person(services)


@pytest.fixture(scope="session")
def song(services: Services, ana: Person) -> Song:
    return a_playable_song(services, ana)


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:
    width, height = DESKTOP
    opened = browser.new_context(base_url=site, viewport={"width": width, "height": height}, locale="en")
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must have nothing to complain about."""
    opened = context.new_page()
    complaints = watched(opened)
    yield opened
    assert complaints == []


@pytest.fixture
def anas_page(page: Page, ana: Person) -> Page:
    """Signed in as Ana."""
    sign_in(page, ana.email)
    return page
