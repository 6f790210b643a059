"""A file whose recording is here already need not be sent: looked for in a real browser, by real music."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from demixer.domain import Person, Song, SongState
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.similarity import FingerprintSimilarity
from demixer.wiring import Services
from tests.browser.browsing import DESKTOP, PHONE, sign_up
from tests.browser.fingerprinting import WAIT, Asked, a_recorded_song, need_chromaprint, served_print, similar
from tests.music import clip, converted, tracks

pytestmark = pytest.mark.slow
NUMBERS = iter(range(1000))
LOOKING, HERE = "Checking whether it is already here…", "It is already here: open it"

# Bits that differ between the browser's print and the server's, of one and the same file: 0.0043 at most was measured,
# and 0.0125 at 96 kHz, by Chromium's resampler. Recordings that sound different begin at 0.12.
MAX_ERROR_RATE = 0.02


@pytest.fixture(autouse=True)
def _chromaprint() -> None:
    need_chromaprint()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("music")


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    """A minute of real music, as somebody has it."""
    return converted(tracks()[3], folder / "mine.mp3", "-b:a", "96k")


@pytest.fixture(scope="module")
def other(folder: Path) -> Path:
    return converted(tracks()[20], folder / "other.mp3", "-b:a", "96k")


@pytest.fixture(scope="module")
def known(services: Services, ana: Person) -> Song:
    """The same music, brought by Ana in another format."""
    return a_recorded_song(services, ana, "Conocida", tracks()[3])


@pytest.fixture
def sender(page: Page) -> Page:
    """Somebody new, on the uploads page."""
    return at_uploads(page)


def at_uploads(page: Page) -> Page:
    sign_up(page, f"printer-{next(NUMBERS)}@example.com", "Printer")
    page.goto("/uploads")
    return page


def choose(page: Page, *files: Path) -> Locator:
    """The rows of what was chosen and is not received yet."""
    page.locator("input[type=file]").set_input_files([str(each) for each in files])
    return page.locator("[data-pending] > li")


def hold(page: Page, url: str) -> list[Route]:
    """Requests that wait until the test lets them go on."""
    held: list[Route] = []
    page.route(url, lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    return held


def test_a_song_that_is_here_is_opened_and_nothing_is_sent(sender: Page, file: Path, known: Song) -> None:
    posted = hold(sender, "**/uploads")
    row = choose(sender, file)
    link = row.get_by_role("link", name=HERE)
    expect(link).to_contain_text("Conocida", timeout=WAIT)
    expect(link).to_contain_text("Ana y Los Otros")
    expect(sender.locator("[data-announcer]")).to_have_text(f"mine.mp3: {HERE}")
    expect(row.get_by_text(LOOKING)).to_be_hidden()
    assert sender.evaluate("() => dispatchEvent(new Event('beforeunload', { cancelable: true }))"), "it holds one back"
    link.focus()
    sender.keyboard.press("Enter")
    sender.wait_for_url(f"**/songs/{known.id}")
    assert posted == []


def test_its_drawn_cover_is_the_one_of_the_catalogue(sender: Page, file: Path, known: Song) -> None:
    ours = drawn(choose(sender, file).locator("svg.cover-drawn"))
    sender.goto(f"/search?q={known.tags.title}")
    assert ours == drawn(sender.locator("main svg.cover-drawn").first)


def drawn(cover: Locator) -> list[str]:
    """The colour and the bars of a cover that was made of a song's id."""
    expect(cover).to_be_visible(timeout=WAIT)
    classes = re.findall(r"art-\d", cover.get_attribute("class") or "")
    bars = cover.locator("rect").evaluate_all(
        "all => all.map(each => ['x', 'y', 'height'].map(a => each.getAttribute(a)))"
    )
    assert len(bars) == 8
    return [*classes, *(" ".join(bar) for bar in bars)]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_what_was_found_has_room(sender: Page, file: Path, known: Song, size: tuple[int, int]) -> None:
    sender.set_viewport_size({"width": size[0], "height": size[1]})
    link = choose(sender, file).get_by_role("link", name=HERE)
    expect(link).to_be_visible(timeout=WAIT)
    assert sender.evaluate("() => document.scrollingElement.scrollWidth") <= size[0]
    assert link.evaluate("each => each.offsetWidth") > 280
    assert sender.locator("[data-upload-anyway]").evaluate("each => each.offsetHeight") < 45
    expect(sender.get_by_text("Without vocals, or mixed differently?")).to_be_visible()
    expect(sender.get_by_text("Nothing sent yet")).to_be_hidden()


def test_it_is_sent_when_the_person_wants_it_sent(sender: Page, file: Path, known: Song) -> None:
    row = choose(sender, file)
    expect(row.get_by_role("link", name=HERE)).to_be_visible(timeout=WAIT)
    button = row.get_by_role("button", name="Send it anyway")
    button.focus()
    sender.keyboard.press("Enter")
    expect(sender.locator("[data-upload]")).to_contain_text("mine.mp3", timeout=WAIT)
    expect(row).to_have_count(0)


def test_what_is_not_here_is_sent_without_another_word(sender: Page, other: Path, known: Song) -> None:
    row = choose(sender, other)
    expect(sender.locator("[data-upload]")).to_contain_text("other.mp3", timeout=WAIT)
    expect(row).to_have_count(0)


def test_nobody_has_to_wait_for_the_answer(sender: Page, file: Path, known: Song) -> None:
    asked = hold(sender, "**/api/v1/matches")
    row = choose(sender, file)
    expect(row.get_by_text(LOOKING)).to_be_visible()
    expect(row.get_by_role("progressbar")).to_be_hidden()
    row.get_by_role("button", name="Send it anyway").click()
    expect(sender.locator("[data-upload]")).to_contain_text("mine.mp3", timeout=WAIT)
    for each in asked:
        each.continue_()
    expect(sender.get_by_role("link", name=HERE)).to_have_count(0)


def test_who_stood_on_a_button_that_goes_stands_on_the_next(sender: Page, file: Path, known: Song) -> None:
    held = hold(sender, "**/uploads")
    row = choose(sender, file)
    expect(row.get_by_role("link", name=HERE)).to_be_visible(timeout=WAIT)
    row.get_by_role("button", name="Send it anyway").press("Enter")
    expect(row.get_by_role("button", name="Stop sending")).to_be_focused()
    held[0].continue_()
    expect(sender.locator("[data-upload]")).to_be_visible()


def test_a_row_that_was_taken_away_does_not_come_back(sender: Page, file: Path, known: Song) -> None:
    asked = hold(sender, "**/api/v1/matches")
    row = choose(sender, file)
    expect(row.get_by_text(LOOKING)).to_be_visible()
    row.get_by_role("button", name="Stop sending").click()
    expect(row).to_have_count(0)
    for each in asked:
        each.continue_()
    expect(sender.locator("[data-upload]")).to_have_count(0)


def test_each_of_several_files_is_looked_for(
    sender: Page, file: Path, other: Path, known: Song, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.mp3"
    noise.write_bytes(b"sound" * 1000)  # nothing that can be printed
    rows = choose(sender, file, noise, other)
    expect(sender.locator("[data-upload]")).to_have_count(2, timeout=WAIT)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Conocida")


def test_a_song_that_not_everybody_may_see_is_not_shown(
    sender: Page, services: Services, ana: Person, folder: Path
) -> None:
    song = a_recorded_song(services, ana, "Oculta", tracks()[6])
    services.catalogue.songs.save(replace(song, state=SongState.PENDING))
    choose(sender, converted(tracks()[6], folder / "hidden.mp3", "-b:a", "96k"))
    expect(sender.locator("[data-upload]")).to_contain_text("hidden.mp3", timeout=WAIT)


@pytest.mark.parametrize("broken", ["**/chromaprint.wasm", "**/worker.js", "**/api/v1/matches"])
def test_whatever_breaks_the_file_is_sent_as_always(
    context: BrowserContext, file: Path, known: Song, broken: str
) -> None:
    page = at_uploads(context.new_page())  # its console tells of the refused request
    page.route(broken, lambda route: route.abort())
    choose(page, file)
    expect(page.locator("[data-upload]")).to_contain_text("mine.mp3", timeout=WAIT)


def test_what_is_too_long_to_be_fingerprinted_is_sent_as_always(sender: Page, file: Path, known: Song) -> None:
    asked = Asked(sender)
    sender.route("**/uploads", for_half_a_minute_at_most)
    sender.reload()
    choose(sender, file)
    expect(sender.locator("[data-upload]")).to_contain_text("mine.mp3", timeout=WAIT)
    assert asked == []


def for_half_a_minute_at_most(route: Route) -> None:
    """The page of a server with another MAX_MINUTES."""
    if route.request.method == "POST":
        return route.continue_()
    page, limits = re.subn(r'data-max-minutes="[\d.]+"', 'data-max-minutes="0.5"', route.fetch().text())
    assert limits == 1
    return route.fulfill(body=page, content_type="text/html; charset=utf-8")


FORMATS = (
    ("mono.wav", "-ac", "1"),
    ("stereo.wav",),
    ("studio.flac", "-ar", "96000"),
    ("48.flac", "-ar", "48000"),
    ("surround.flac", "-ac", "6"),
    ("low.mp3", "-b:a", "48k"),
    ("song.mp3", "-b:a", "192k"),
    ("song.m4a", "-b:a", "128k"),
    ("song.opus", "-b:a", "64k"),
    ("song.webm", "-b:a", "96k", "-c:a", "libopus"),
)


def test_the_browser_makes_the_fingerprint_that_the_server_makes(sender: Page, folder: Path) -> None:
    """Real tracks, in every kind of file that Chromium decodes."""
    asked, held = Asked(sender), sender.locator(".is-found")
    lift_the_limit(sender)
    source = tracks()[3]
    made = [converted(source, folder / name, *options) for name, *options in FORMATS]
    for count, file in enumerate([*tracks()[:4], *made, clip(source, folder / "cut.mp3", 10.0, 40.0)]):
        choose(sender, file)
        expect(held).to_have_count(count + 1, timeout=WAIT)
        servers, likeness = agreement(asked[-1], file)
        assert likeness.bit_error_rate <= MAX_ERROR_RATE, file.name
        assert (likeness.offset, likeness.is_near_identical) == (0, True), file.name
        assert asked[-1]["duration"] == pytest.approx(servers.duration, abs=0.1), file.name


def agreement(asked: dict[str, Any], file: Path) -> tuple[Fingerprint, FingerprintSimilarity]:
    servers = served_print(file)
    return servers, similar(asked, servers)


def lift_the_limit(page: Page) -> None:
    page.evaluate("() => (document.querySelector('[data-dropzone]').dataset.maxBytes = 1e9)")


def test_the_second_fingerprint_is_half_a_frame_later(sender: Page, folder: Path) -> None:
    """It agrees with what the server makes of the file without its first 683 samples at 11,025 Hz."""
    asked = Asked(sender)
    lift_the_limit(sender)
    choose(sender, tracks()[0])
    expect(sender.locator(".is-found")).to_have_count(1, timeout=WAIT)
    cut = clip(tracks()[0], folder / "shifted.wav", 683 / 11_025, 300.0)
    assert similar(asked[0], served_print(cut), "shifted").bit_error_rate <= MAX_ERROR_RATE
    assert similar(asked[0], served_print(cut)).bit_error_rate > 2 * MAX_ERROR_RATE
