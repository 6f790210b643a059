"""Every page in a real browser: nothing overflows on a phone, everything has a name, nothing complains."""

import itertools
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from demixer.domain import Person, Song
from demixer.wiring import Services
from tests.browser.browsing import DESKTOP, PHONE, sign_in, watched
from tests.web.visiting import a_song

pytestmark = pytest.mark.slow

PAGES = ("/", "/search?q=aman", "/search?q=nobody+sent+this", "/newest", "/most-played")
PAGES_OF_A_VISITOR = ("/sign-in", "/sign-up")
PAGES_OF_A_PERSON = ("/uploads", "/library", "/account")

WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
  .filter((each) => !each.closest(".visually-hidden, pre"))
  .map((each) => each.outerHTML.slice(0, 80))"""
NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, summary, audio, progress, img")]
  .filter((each) => each.checkVisibility() && each.type !== "hidden")
  .filter((each) => !(each.ariaLabel || each.labels?.length || each.textContent.trim() || each.hasAttribute("alt")))
  .map((each) => each.outerHTML.slice(0, 120))"""
SMALL = """() => [...document.querySelectorAll("button, a.button, a.icon-button, input, summary, nav a")]
  .filter((each) => each.checkVisibility() && !each.matches(".search-go, .skip, [type=hidden]"))
  .filter((each) => each.getBoundingClientRect().height < 43.5)
  .map((each) => each.outerHTML.slice(0, 120))"""


def check(page: Page, path: str) -> None:
    page.goto(path)
    assert page.evaluate("() => document.scrollingElement.scrollWidth") <= page.evaluate("() => innerWidth"), path
    assert page.evaluate(WIDE) == [], path
    assert page.evaluate(NAMELESS) == [], path
    assert page.evaluate(SMALL) == [], path
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    headings = page.eval_on_selector_all("h1, h2, h3", "all => all.map(each => Number(each.tagName[1]))")
    assert all(deeper - before <= 1 for before, deeper in itertools.pairwise(headings)), path
    ids = page.eval_on_selector_all("[id]", "all => all.map(each => each.id)")
    assert len(ids) == len(set(ids)), path


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_page_fits_and_is_named(
    context: BrowserContext,
    site: str,
    ana: Person,
    song: Song,
    services: Services,
    size: tuple[int, int],
    scheme: str,
    language: str,
) -> None:
    assert context.browser
    waiting = a_song(
        services, ana, f"Espera {size} {scheme} {language}", artist="Un nombre de artista que no se acaba nunca"
    )
    own = context.browser.new_context(base_url=site, viewport={"width": size[0], "height": size[1]}, locale=language)
    page = own.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    complaints = watched(page)
    for path in (*PAGES, f"/songs/{song.id}", f"/songs/{waiting.id}", *PAGES_OF_A_VISITOR):
        check(page, path)
    sign_in(page, ana.email)
    for path in (*PAGES, f"/songs/{song.id}", f"/songs/{song.id}/edit", *PAGES_OF_A_PERSON):
        check(page, path)
    assert complaints == []
    check(page, "/there-is-no-such-page")
    own.close()


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_phone_has_room_for_faders_and_for_downloads_in_one_column(
    context: BrowserContext, site: str, song: Song, language: str
) -> None:
    assert context.browser
    phone = context.browser.new_context(
        base_url=site, viewport={"width": PHONE[0], "height": PHONE[1]}, locale=language
    )
    page = phone.new_page()
    page.goto(f"/songs/{song.id}")
    expect(page.locator("[data-player]")).to_be_visible()
    assert min(page.eval_on_selector_all("[data-volume]", "all => all.map(each => each.offsetWidth)")) >= 150
    lefts = page.eval_on_selector_all(".download-links", "all => all.map(each => each.getBoundingClientRect().left)")
    assert len(set(lefts)) == 1, lefts
    heights = page.eval_on_selector_all(".download .button", "all => all.map(each => each.offsetHeight)")
    assert max(heights) < 45, "a word is broken in two"
    phone.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page: Page, song: Song, scheme: str) -> None:
    """4.5 to 1 for the colours that text is set in, on all that it is set on (WCAG 2.2 AA)."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"/songs/{song.id}")
    colours = {
        name: page.evaluate(
            "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", f"--{name}"
        )
        for name in (
            "paper",
            "surface",
            "ink",
            "soft",
            "good",
            "bad",
            "good-surface",
            "bad-surface",
            "focus",
            "line-strong",
        )
    }
    for text in ("ink", "soft", "good", "bad"):
        for ground in ("paper", "surface"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["good-surface"]) >= 4.5
    assert contrast(colours["ink"], colours["bad-surface"]) >= 4.5
    for mark in ("focus", "line-strong"):
        assert contrast(colours[mark], colours["surface"]) >= 3, mark
    stems = ("vocals", "drums", "bass", "other", "guitar", "piano", "accompaniment")
    for stem in stems:
        colour = page.evaluate(
            "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", f"--{stem}"
        )
        assert contrast(colour, colours["surface"]) >= 3, stem


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part, 16) / 255 for part in re.findall(r"[0-9a-f]{2}", colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_results_come_as_one_types_and_the_arrows_reach_them(page: Page, song: Song) -> None:
    page.goto("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("amanecr")
    option = page.get_by_role("option").first
    expect(option).to_contain_text("Amanecer")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", option.get_attribute("id") or "")
    box.press("Enter")
    page.wait_for_url(f"**/songs/{song.id}")


def test_escape_closes_the_results_and_enter_searches(page: Page, song: Song) -> None:
    page.goto("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("ama")
    expect(page.get_by_role("listbox")).to_be_visible()
    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    box.press("Enter")
    page.wait_for_url("**/search?q=ama")
    expect(page.get_by_role("link", name="Amanecer").first).to_be_visible()


def test_the_language_can_be_switched_and_stays(page: Page, song: Song) -> None:
    page.goto(f"/songs/{song.id}")
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("heading", name="Descargar")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Desarma cualquier canción.")
    expect(page.locator("html")).to_have_attribute("lang", "es")


def test_the_first_tab_leads_to_the_content(page: Page) -> None:
    page.goto("/newest")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    skip.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_a_song_is_added_to_the_library_and_removed(anas_page: Page, song: Song) -> None:
    anas_page.goto(f"/songs/{song.id}")
    anas_page.get_by_role("button", name="Keep in my library").click()
    anas_page.goto("/library")
    anas_page.get_by_role("link", name="Amanecer").click()
    anas_page.get_by_role("button", name="In my library").click()
    anas_page.goto("/library")
    expect(anas_page.get_by_text("Nothing kept yet")).to_be_visible()


def test_the_owner_of_a_song_edits_it(anas_page: Page, services: Services, ana: Person) -> None:
    song = a_song(services, ana, "Tipo")
    anas_page.goto(f"/songs/{song.id}")
    anas_page.get_by_role("link", name="Edit").click()
    anas_page.get_by_label("Title", exact=True).fill("Título")
    anas_page.get_by_label("Year").fill("20")
    anas_page.get_by_role("button", name="Save").click()
    expect(anas_page.get_by_text("The year must be a number")).to_be_visible()
    anas_page.get_by_label("Year").fill("2020")
    anas_page.get_by_role("button", name="Save").click()
    expect(anas_page.get_by_role("heading", level=1)).to_have_text("Título")


def test_an_address_is_copied(context: BrowserContext, page: Page, site: str, song: Song) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page.goto(f"/songs/{song.id}")
    page.get_by_role("button", name="Copy the link of Vocals").click()
    expect(page.locator("[data-announcer]")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == f"{site}/songs/{song.id}/stems/vocals.mp3"
