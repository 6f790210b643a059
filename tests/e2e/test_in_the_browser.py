"""Chromium at the service as `make run` starts it: points 2 to 5 of what a person can do, with real music."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import music, small_models
from tests.browser.browsing import DESKTOP, PHONE, sign_up, watched
from tests.browser.fingerprinting import has_chromaprint
from tests.e2e.service import Service, service, wait_for

pytestmark = pytest.mark.slow
PATIENCE = 120_000  # ms, for a separation on a busy machine


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = small_models.save(tmp_path_factory.mktemp("models"), "htdemucs")
    with service(tmp_path_factory.mktemp("data"), MODELS_DIR=str(models), MODEL="htdemucs", DEVICE="cpu") as started:
        yield started


def visitor(browser: Browser, running: Service, size: tuple[int, int] = DESKTOP) -> Page:
    context = browser.new_context(base_url=running.url, viewport={"width": size[0], "height": size[1]}, locale="en")
    context.set_default_timeout(20_000)
    return context.new_page()


def send(page: Page, *files: Path) -> None:
    page.goto("/uploads")
    page.set_input_files("input[type=file]", files)


def test_from_an_account_to_playing_stems_and_a_second_person_who_need_not_wait(
    browser: Browser, running: Service, tmp_path: Path
) -> None:
    first, second = music.tracks()[5], music.tracks()[6]
    songs = [music.clip(first, tmp_path / "One.flac", 0, 40), music.clip(second, tmp_path / "Two.mp3", 0, 30)]
    page = visitor(browser, running)
    complaints = watched(page)

    sign_up(page, "ana@example.org", "Ana")
    send(page, *songs)
    expect(page.locator("[data-upload]")).to_have_count(2)
    expect(page.locator("[data-status=separating] progress").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("[data-status=separating]").first).to_contain_text("on CPU", timeout=PATIENCE)
    expect(page.locator("[data-status=ready]")).to_have_count(2, timeout=PATIENCE)

    page.locator("[data-status=ready] [data-action=open]").last.click()
    page.wait_for_url(re.compile(r"/songs/"))
    expect(page.locator("[data-stem]")).to_have_count(4)
    page.keyboard.press("Space")
    expect(page.locator("[data-now]")).not_to_have_text("0:00")
    page.locator("[data-stem=vocals] [data-solo]").click()
    expect(page.locator("[data-stem=vocals] [data-solo]")).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        page.locator("a[href*='vocals.mp3'][href*='download']").first.click()
    assert download.value.suggested_filename.endswith("(vocals).mp3")
    song = page.url

    page.goto(song + "/edit")
    page.fill("[name=artist]", "Café Tacvba")
    page.fill("[name=title]", "El baile y el salón")
    page.click("main form button[type=submit]")
    expect(page.get_by_role("heading", level=1)).to_have_text("El baile y el salón")

    other = visitor(browser, running, PHONE)
    sign_up(other, "berta@example.org", "Berta")
    send(other, music.converted(songs[0], tmp_path / "the same, otherwise.ogg", "-q:a", "3"))
    if has_chromaprint():
        expect(other.get_by_role("link", name="It is already here")).to_be_visible(timeout=PATIENCE)
        other.get_by_role("button", name="Send it anyway").click()
    expect(other.locator("[data-status=ready]")).to_contain_text("already here", timeout=PATIENCE)
    assert complaints == []


def finds(page: Page, query: str, title: str) -> bool:
    page.goto(f"/search?q={query}")
    return title in page.locator("main").inner_text()


def test_search_forgives_and_works_without_javascript(browser: Browser, running: Service, tmp_path: Path) -> None:
    person = running.person("carla@example.org")
    sent = person.upload(
        music.clip(music.tracks()[7], tmp_path / "x.mp3", 0, 30), artist="Björk", album="Début", title="Jóga en vivo"
    )
    assert person.ended(sent["id"])["status"] == "ready"
    context = browser.new_context(base_url=running.url, java_script_enabled=False)
    page = context.new_page()
    wait_for("index to hear of the song", lambda: finds(page, "bjork", "Jóga en vivo"), seconds=60)
    for query in ("bjork", "JOGA", "debu", "bjrok viv"):
        page.goto(f"/search?q={query}")
        expect(page.locator("main")).to_contain_text("Jóga en vivo")
    page.goto("/search?q=nothing+like+that")
    expect(page.locator("main")).not_to_contain_text("Jóga en vivo")


def test_an_upload_can_be_cancelled_while_it_separates_and_deleted(
    browser: Browser, running: Service, tmp_path: Path
) -> None:
    page = visitor(browser, running)
    sign_up(page, "dora@example.org", "Dora")
    send(page, music.converted(music.tracks()[8], tmp_path / "long.flac"))
    expect(page.locator("[data-status=separating]")).to_be_visible(timeout=PATIENCE)
    page.locator("[data-action=cancel]").click()
    expect(page.locator("[data-status=cancelled]")).to_be_visible(timeout=10_000)
    page.locator("[data-action=delete]").click()
    page.locator("dialog[open] button[value=yes]").click()
    expect(page.locator("[data-upload]")).to_have_count(0)
