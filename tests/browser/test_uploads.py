"""Sending songs in a real browser, and watching them without reloading."""

import re
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from demixer.domain import Failure, MatchMethod, Person, Separation, Song, Tags, Upload
from demixer.domain.events import song_matched
from demixer.wiring import Services
from tests.browser.browsing import begin, sign_up, with_stems
from tests.web.visiting import a_song, join

pytestmark = pytest.mark.slow
NUMBERS = iter(range(1000))

# Keeps what is announced even if the page is left.
RECORD_ANNOUNCEMENTS = """() => {
  const region = document.querySelector("[data-announcer]");
  const record = () => { if (region.textContent) sessionStorage.announced = region.textContent; };
  new MutationObserver(record).observe(region, { childList: true });
}"""


@pytest.fixture
def sender(page: Page) -> Page:
    """Somebody new, on the uploads page."""
    sign_up(page, f"sender-{next(NUMBERS)}@example.com", "Sender")
    page.goto("/uploads")
    return page


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Río <b>& más.mp3"
    path.write_bytes(b"sound" * 1000)
    return path


def send(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(each) for each in files])


def sent(services: Services, page: Page) -> Upload:
    """The one upload whose row is on the page."""
    row = page.locator("[data-upload]")
    expect(row).to_have_count(1)
    upload = services.catalogue.uploads.get(row.get_attribute("data-upload") or "")
    assert upload
    return upload


def joined(services: Services, upload: Upload, title: str, match: MatchMethod | None = None) -> Song:
    """The upload found its song, and an event says so."""
    person = services.accounts.get(upload.person_id)
    assert person
    song = a_song(services, person, title)
    join(services, upload.id, song, match)
    services.flush()
    return song


def progress(services: Services, work: Separation, fraction: float) -> None:
    services.separations.report_progress(
        work.id, work.attempt, progress=fraction, seconds_left=61.0, device="CPU (2 cores)"
    )


def test_a_file_is_sent_and_watched_until_its_song_is_ready(sender: Page, services: Services, file: Path) -> None:
    send(sender, file)
    row = sender.locator("[data-upload]")
    expect(row).to_contain_text(file.name)
    expect(row.locator("[aria-current=step]")).to_have_text("Received")
    song = joined(services, sent(services, sender), "Vigilada")
    expect(row.locator("[aria-current=step]")).to_contain_text(re.compile(r"Waiting, place \d+ in the queue"))
    work = begin(services, song.id)
    progress(services, work, 0.25)
    expect(row.locator("[aria-current=step]")).to_have_text("Separating, 25 %")
    expect(row).to_contain_text("about 1:01 left")
    expect(row).to_contain_text("CPU (2 cores)")
    progress(services, work, 0.5)
    expect(row.locator("progress")).to_have_js_property("value", 0.5)
    with_stems(services, song.id)
    expect(row).to_contain_text("Ready: 4 stems")
    expect(sender.locator("[data-announcer]")).to_have_text("Vigilada: Ready")
    row.get_by_role("link", name="Play: Vigilada").click()
    expect(sender.locator("[data-player]")).to_be_visible()


def test_a_recording_that_was_here_says_so(sender: Page, services: Services, file: Path, song: Song) -> None:
    send(sender, file)
    join(services, sent(services, sender).id, song, MatchMethod.RECORDING)
    tell(services, sender)
    expect(sender.locator("[data-upload]")).to_contain_text("This recording was already here")


def tell(services: Services, page: Page) -> None:
    """What the match consumer publishes after a join."""
    upload = sent(services, page)
    services.work.publish([song_matched(upload, services.clock())])


def test_what_cannot_be_read_says_why_and_can_be_deleted(sender: Page, services: Services, file: Path) -> None:
    send(sender, file)
    services.upload_analyses.reject(sent(services, sender), Failure("not-audio"), keep_file=False)
    services.flush()
    row = sender.locator("[data-upload]")
    expect(row).to_contain_text("This is not an audio file we can read")
    row.get_by_role("button", name=re.compile("Delete")).click()
    dialog = sender.get_by_role("dialog")
    dialog.get_by_role("button", name="No, keep it").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name=re.compile("Delete")).click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(sender.get_by_text("Nothing sent yet")).to_be_visible()


def test_a_row_that_changes_while_the_question_stands_is_deleted_all_the_same(
    sender: Page, services: Services, file: Path
) -> None:
    send(sender, file)
    services.upload_analyses.reject(sent(services, sender), Failure("not-audio"), keep_file=False)
    services.flush()
    row = sender.locator("[data-upload]")
    row.get_by_role("button", name=re.compile("Delete")).click()
    row.evaluate("row => row.replaceWith(row.cloneNode(true))")  # as news of it does
    sender.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_what_failed_by_accident_can_be_tried_again(sender: Page, services: Services, file: Path) -> None:
    send(sender, file)
    services.upload_analyses.reject(sent(services, sender), Failure("took-too-long"), keep_file=True)
    services.flush()
    row = sender.locator("[data-upload]")
    row.get_by_role("button", name=re.compile("Try again")).click()
    expect(row.locator("[aria-current=step]")).to_have_text("Received")


def test_the_focus_stays_in_a_row_that_is_replaced_while_its_link_has_it(
    sender: Page, services: Services, file: Path
) -> None:
    send(sender, file)
    song = joined(services, sent(services, sender), "Enfocada")
    link = sender.locator("[data-upload]").get_by_role("link", name="Enfocada", exact=True)
    link.focus()
    begin(services, song.id)
    services.flush()
    expect(sender.locator("[data-upload] [aria-current=step]")).to_contain_text("Separating")
    expect(link).to_be_focused()


def test_an_action_that_is_answered_with_a_page_announces_no_internal_error(sender: Page, file: Path) -> None:
    """A proxy or a sign-in page may answer instead of the server's JSON: then the uploads are loaded anew."""
    send(sender, file)
    row = sender.locator("[data-upload]")
    expect(row).to_be_visible()
    sender.evaluate(RECORD_ANNOUNCEMENTS)
    sender.route("**/cancel", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>Hello</p>"))
    sender.route("**/uploads", continue_after_the_announcement)
    with sender.expect_navigation():
        row.get_by_role("button", name=re.compile("Cancel")).click()
    assert sender.evaluate("() => sessionStorage.announced") is None


def continue_after_the_announcement(route: Route) -> None:
    """Announcements come one frame later."""
    sleep(0.3)
    route.continue_()


def test_an_upload_that_is_answered_without_its_row_fails_and_the_next_one_is_sent(
    sender: Page, file: Path, tmp_path: Path
) -> None:
    names = ["a.mp3", "b.mp3", "c.mp3"]
    for name in names:
        (tmp_path / name).write_bytes(b"sound" * 1000)
    sender.route("**/uploads", lambda route: route.fulfill(status=201, content_type="text/html", body="<p>Hello</p>"))
    send(sender, *(tmp_path / name for name in names))
    problems = sender.locator("[data-pending] .is-failed")
    expect(problems).to_have_count(3)
    expect(problems.first).to_contain_text("The connection broke off")


def test_an_upload_is_cancelled_without_leaving_the_page(sender: Page, file: Path) -> None:
    send(sender, file)
    row = sender.locator("[data-upload]")
    row.get_by_role("button", name=re.compile("Cancel")).click()
    expect(row).to_contain_text("Cancelled")
    assert sender.url.endswith("/uploads")


def test_several_files_go_at_once_and_bad_ones_are_refused_before_they_are_sent(
    sender: Page, file: Path, tmp_path: Path
) -> None:
    empty, large = tmp_path / "empty.mp3", tmp_path / "large.wav"
    empty.touch()
    large.write_bytes(bytes(1024 * 1024 + 1))
    second = tmp_path / "second.mp3"
    second.write_bytes(b"more sound" * 500)
    send(sender, file, empty, large, second)
    expect(sender.locator("[data-upload]")).to_have_count(2)
    problems = sender.locator("[data-pending] .is-failed")
    expect(problems).to_have_count(2)
    expect(problems.nth(0)).to_contain_text("The file is empty")
    expect(problems.nth(1)).to_contain_text("larger than 1 MB")
    problems.nth(0).get_by_role("button").click()
    expect(problems).to_have_count(1)


def test_what_is_typed_beside_a_file_goes_with_it(sender: Page, services: Services, file: Path) -> None:
    sender.get_by_text("Add artist, album and title").click()
    sender.get_by_label("Artist", exact=True).fill("Ana")
    sender.get_by_label("Title", exact=True).fill("Mío")
    send(sender, file)
    assert sent(services, sender).given_tags == Tags(artist="Ana", title="Mío")


def test_files_can_be_dropped_on_the_page(sender: Page) -> None:
    sender.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["sound"], "dropped.mp3", { type: "audio/mpeg" }));
          const heading = document.querySelector("h1");
          for (const type of ["dragover", "drop"]) {
            heading.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
          }
        }"""
    )
    expect(sender.locator("[data-upload]")).to_contain_text("dropped.mp3")


def test_a_full_live_stream_falls_back_to_asking(context: BrowserContext, services: Services, file: Path) -> None:
    page = context.new_page()  # its console tells of the refused stream
    page.route("**/live", lambda route: route.fulfill(status=503, headers={"Retry-After": "5"}))
    sign_up(page, f"sender-{next(NUMBERS)}@example.com", "Sender")
    page.goto("/uploads")
    send(page, file)
    joined(services, sent(services, page), "Preguntada")
    expect(page.locator("[data-upload] [aria-current=step]")).to_contain_text("Waiting")


def test_a_lost_connection_says_that_nothing_was_kept(context: BrowserContext, file: Path) -> None:
    page = context.new_page()

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.abort()
        else:
            route.continue_()

    sign_up(page, f"sender-{next(NUMBERS)}@example.com", "Sender")
    page.goto("/uploads")
    page.route("**/uploads", lose)
    send(page, file)
    expect(page.locator("[data-pending]")).to_contain_text("The connection broke off")


def test_leaving_while_a_file_is_on_its_way_asks_first(sender: Page, file: Path) -> None:
    held: list[Route] = []
    sender.route(
        "**/uploads", lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    sender.get_by_role("heading", level=1).click()  # a browser asks for nobody who has not touched the page
    with sender.expect_request(lambda request: request.method == "POST"):
        send(sender, file)
    expect(sender.locator("[data-pending]")).to_contain_text(file.name)
    with sender.expect_event("dialog") as asked:
        sender.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    held[0].continue_()
    expect(sender.locator("[data-upload]")).to_contain_text(file.name)
    assert sender.evaluate("() => dispatchEvent(new Event('beforeunload', { cancelable: true }))"), "it still asks"


def test_after_a_sign_out_meanwhile_the_page_says_that_the_file_was_not_kept(
    context: BrowserContext, file: Path
) -> None:
    page = context.new_page()  # its console tells of the refused request
    sign_up(page, f"sender-{next(NUMBERS)}@example.com", "Sender")
    page.goto("/uploads")
    context.clear_cookies()
    send(page, file)
    row = page.locator("[data-pending] .is-failed")
    expect(row).to_contain_text("this file was not kept")
    row.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(("language", "text"), [("English", "10 minutes ago"), ("Español", "hace 10 minutos")])
def test_the_age_of_an_upload_does_not_stand_still(sender: Page, file: Path, language: str, text: str) -> None:
    sender.route("**/live", lambda route: None)  # a row that the server draws anew meanwhile would be young again
    sender.clock.install()
    with sender.expect_navigation():
        sender.get_by_role("button", name=language).click()
    send(sender, file)
    expect(sender.locator("[data-upload]")).to_contain_text(file.name)
    sender.clock.fast_forward("10:05")
    expect(sender.locator("[data-upload] time")).to_have_text(text)


def test_the_page_of_a_song_in_the_making_becomes_its_player(sender: Page, services: Services, file: Path) -> None:
    send(sender, file)
    song = joined(services, sent(services, sender), "Naciente")
    sender.goto(f"/songs/{song.id}")
    work = begin(services, song.id)
    progress(services, work, 0.4)
    expect(sender.locator("[data-waiting]")).to_contain_text("40 %")
    with_stems(services, song.id)
    expect(sender.locator("[data-player]")).to_be_visible()


def test_a_better_separation_that_fails_says_so_and_the_stems_stay(
    anas_page: Page, services: Services, ana: Person
) -> None:
    song = with_stems(services, a_song(services, ana, "Mejorable").id)
    better = services.separations.request(song.id, "htdemucs_ft")
    services.catalogue.songs.save(replace(song, next_separation_id=better.id))
    anas_page.goto(f"/songs/{song.id}")
    expect(anas_page.locator("[data-waiting]")).to_be_visible()
    services.separations.fail(better, Failure("separation-failed"))
    services.flush()
    expect(anas_page.locator("[data-better-failed]")).to_be_visible()
    expect(anas_page.locator("[data-better-ready]")).to_be_hidden()
    expect(anas_page.locator("[data-player]")).to_be_visible()


def test_a_separation_that_has_ended_is_not_looked_for_again(anas_page: Page, services: Services, ana: Person) -> None:
    """Two events come at once; the first already tells that it has ended."""
    song = with_stems(services, a_song(services, ana, "Terminada").id)
    better = services.separations.request(song.id, "htdemucs_ft")
    services.catalogue.songs.save(replace(song, next_separation_id=better.id))
    streams: list[Route] = []
    anas_page.route("**/live?*", lambda route: streams.append(route))
    anas_page.goto(f"/songs/{song.id}")
    while not streams:
        anas_page.wait_for_timeout(50)
    services.separations.fail(better, Failure("separation-failed"))
    services.flush()
    fetched: list[str] = []
    anas_page.on("request", lambda request: fetched.append(request.url) if request.resource_type == "fetch" else None)
    events = "retry: 60000\n\n" + "event: song\ndata: {}\n\n" * 2
    streams[0].fulfill(status=200, content_type="text/event-stream", body=events)
    expect(anas_page.locator("[data-better-failed]")).to_be_visible()
    anas_page.wait_for_load_state("networkidle")
    assert [url for url in fetched if url.endswith(song.id)] == [anas_page.url]


def test_a_stream_that_comes_back_catches_up_on_what_it_missed(sender: Page, services: Services, file: Path) -> None:
    """The server was started again, or the laptop slept: this stream breaks off each time and tells nothing."""
    broken = {"status": 200, "content_type": "text/event-stream", "body": "retry: 100\n\n"}
    sender.route("**/live", lambda route: route.fulfill(**broken))
    send(sender, file)
    joined(services, sent(services, sender), "Recuperada")
    expect(sender.locator("[data-upload] [aria-current=step]")).to_contain_text("Waiting")


def test_a_file_can_be_sent_without_javascript(context: BrowserContext, site: str, file: Path) -> None:
    assert context.browser
    bare = context.browser.new_context(base_url=site, java_script_enabled=False)
    page = bare.new_page()
    sign_up(page, f"sender-{next(NUMBERS)}@example.com", "Sender")
    page.goto("/uploads")
    send(page, file)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-upload]")).to_contain_text(file.name)
    page.get_by_role("button", name=re.compile("Cancel")).click()
    expect(page.locator("[data-upload]")).to_contain_text("Cancelled")
    bare.close()


def test_the_title_of_the_tab_says_that_a_song_is_ready(sender: Page, services: Services, file: Path) -> None:
    sender.evaluate("() => Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    send(sender, file)
    song = joined(services, sent(services, sender), "Callada")
    expect(sender.locator("[data-upload] [aria-current=step]")).to_contain_text("Waiting")
    with_stems(services, song.id)
    expect(sender).to_have_title("● Callada: Ready")
    sender.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(sender).to_have_title("Uploads · Isolaatti Demixer")
