"""Names that may be taken for a song without any: legible on a phone, and taken or declined without JavaScript."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from demixer.domain import Person, Song, Tags
from demixer.wiring import Services
from tests.browser.browsing import DESKTOP, PHONE, a_playable_song, sign_in, watched
from tests.browser.test_pages import check

pytestmark = pytest.mark.slow

KNOWN = Tags(artist="The Easton Ellises", album="EP One", title="Falcon 69")


@pytest.fixture
def nameless(services: Services, ana: Person, request: pytest.FixtureRequest) -> Song:
    song = a_playable_song(services, ana, request.node.name, seconds=2)
    return services.catalogue.songs.save(replace(song, tags=Tags(title="track01"), proposed_tags=KNOWN))


@pytest.fixture
def plain_page(browser: Browser, site: str, ana: Person) -> Iterator[Page]:
    """Signed in as Ana, without JavaScript."""
    context = browser.new_context(base_url=site, java_script_enabled=False, locale="en")
    page = context.new_page()
    sign_in(page, ana.email)
    yield page
    context.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_notice_fits(
    browser: Browser, site: str, services: Services, ana: Person, nameless: Song, size: tuple[int, int]
) -> None:
    long = replace(KNOWN, album="Lopadotemachoselachogaleokranioleipsanodrim" * 3)
    services.catalogue.songs.save(replace(nameless, proposed_tags=long))
    context = browser.new_context(base_url=site, viewport={"width": size[0], "height": size[1]}, locale="en")
    page = context.new_page()
    complaints = watched(page)
    sign_in(page, ana.email)
    check(page, f"/songs/{nameless.id}")
    expect(page.get_by_text("This may be")).to_be_visible()
    assert complaints == []
    context.close()


def test_names_are_accepted(plain_page: Page, nameless: Song) -> None:
    plain_page.goto(f"/songs/{nameless.id}")
    plain_page.get_by_role("button", name="Use these names").click()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("Falcon 69")
    expect(plain_page.get_by_text("This may be")).to_have_count(0)


def test_names_are_declined(plain_page: Page, nameless: Song) -> None:
    plain_page.goto(f"/songs/{nameless.id}")
    plain_page.get_by_role("button", name="No, thanks").click()
    expect(plain_page.get_by_text("The names stay as they are.")).to_be_visible()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("track01")
