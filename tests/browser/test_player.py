"""The player, by the sound it makes: one clock, exact joins, mute and solo, keys, and a stem that does not come."""

import json

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from demixer.domain import Song
from demixer.wiring import Services
from tests.browser import listening
from tests.browser.browsing import TONES, watched

pytestmark = pytest.mark.slow

WHOLE_AND_CHUNKS = """
async ([module, url]) => {
  const { StemSource } = await import(module.replace("song.js", "player/stem-source.js"));
  const { chunkCount, chunkSampleRange } = await import(module.replace("song.js", "player/mp3-chunks.js"));
  const decoder = new OfflineAudioContext(2, 1, 44100);
  const whole = (await decoder.decodeAudioData(await (await fetch(url)).arrayBuffer())).getChannelData(0);
  const source = new StemSource(url, decoder);
  const layout = await source.layout();
  let [at, worst] = [0, 0];
  for (let index = 0; index < chunkCount(layout); index++) {
    const { start, length } = chunkSampleRange(layout, index);
    if (start !== at) return `chunk ${index} starts at ${start}, not ${at}`;
    const samples = (await source.chunk(index)).getChannelData(0);
    for (let i = 0; i < length; i++) worst = Math.max(worst, Math.abs(samples[i] - whole[start + i]));
    at += length;
  }
  return { worst, samples: at, whole: whole.length, chunks: chunkCount(layout) };
}
"""

# The times at which buffers are scheduled to start: a chunk of each stem at the same time.
COUNT_STARTS = """
const start = AudioBufferSourceNode.prototype.start;
window.starts = [];
AudioBufferSourceNode.prototype.start = function (when, ...more) {
  window.starts.push(when);
  return start.call(this, when, ...more);
};
"""
CHUNK_BYTES = 200 * 144 * 192_000 / 44_100
LONGER_THAN_A_CHECK = 800  # ms; the player looks every 200 ms whether it has to load the next chunk


def open_song(page: Page, song: Song) -> None:
    page.add_init_script(listening.TAP)
    page.goto(f"/songs/{song.id}")
    expect(page.locator("[data-player]")).to_be_visible()


def play(page: Page) -> None:
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("[data-player]")).to_have_attribute("data-state", "playing")


def position(page: Page) -> float:
    return float(page.locator("[data-seek]").input_value())


def test_chunks_fetched_by_range_are_exactly_the_whole_file(page: Page, song: Song) -> None:
    page.goto(f"/songs/{song.id}")
    module = page.locator("script[src*='song.js']").get_attribute("src")
    for name in TONES:
        found = page.evaluate(WHOLE_AND_CHUNKS, [module, f"/songs/{song.id}/stems/{name}.mp3"])
        assert found == {"worst": 0, "samples": 882_000, "whole": 882_000, "chunks": 4}


def test_what_sounds_has_no_seam_and_all_stems_are_on_one_clock(context: BrowserContext, site: str, song: Song) -> None:
    """Ten seconds as they go to the loudspeaker, over two joins of chunks, against the sum of the stems' own files."""
    own = context.browser
    assert own
    bare = own.new_context(base_url=site, bypass_csp=True)  # the recorder is a worklet from a blob
    page = bare.new_page()
    open_song(page, song)
    with page.expect_request(
        lambda request: request.url.endswith("/plays") and request.method == "POST", timeout=30_000
    ):
        play(page)
        page.wait_for_load_state("networkidle")  # all of it is here now: a busy machine need not stop to wait for more
        page.locator("[data-seek]").press("Home")
        page.evaluate(listening.RECORD)
    heard = listening.recording(page)
    expected = decoded_sum(page, song)
    bare.close()
    heard = heard[44_100 : 44_100 * 8]
    known = ~np.isnan(heard)
    assert known.mean() > 0.9
    offset = best_offset(heard, known, expected)
    assert np.abs(heard - expected[offset : offset + len(heard)])[known].max() < 1e-4


def decoded_sum(page: Page, song: Song) -> np.ndarray:
    text = page.evaluate(
        """async ([song, names]) => {
          const decoder = new OfflineAudioContext(1, 1, 44100);
          const sum = new Float32Array(882000);
          for (const name of names) {
            const bytes = await (await fetch(`/songs/${song}/stems/${name}.mp3`)).arrayBuffer();
            const samples = (await decoder.decodeAudioData(bytes)).getChannelData(0);
            for (let i = 0; i < sum.length; i++) sum[i] += samples[i];
          }
          return JSON.stringify(Array.from(sum));
        }""",
        [song.id, list(TONES)],
    )
    return np.array(json.loads(text), dtype=np.float32)


def best_offset(heard: np.ndarray, known: np.ndarray, expected: np.ndarray) -> int:
    """Where in `expected` `heard` begins: the least squares over what is known."""
    size = 1 << (2 * len(expected)).bit_length()
    products = correlation(np.where(known, heard, 0), expected, size)
    energies = correlation(known, expected**2, size)
    return int((energies - 2 * products)[: len(expected) - len(heard)].argmin())


def correlation(one: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    spectrum = np.fft.rfft(other.astype(np.float64), size) * np.conj(np.fft.rfft(one.astype(np.float64), size))
    return np.fft.irfft(spectrum, size)


def test_time_goes_on_and_the_play_button_pauses_it(page: Page, song: Song) -> None:
    open_song(page, song)
    play(page)
    page.wait_for_function("() => Number(document.querySelector('[data-seek]').value) > 0.5")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-player]")).to_have_attribute("data-state", "paused")
    stopped = position(page)
    listening.wait_until_heard(page, set())
    assert position(page) == stopped


def test_mute_and_solo_decide_what_is_heard(page: Page, song: Song) -> None:
    open_song(page, song)
    play(page)
    listening.wait_until_heard(page, set(TONES))
    page.get_by_role("button", name="Mute Bass").click()
    listening.wait_until_heard(page, {"vocals", "drums", "other"})
    page.get_by_role("button", name="Solo Vocals").click()
    listening.wait_until_heard(page, {"vocals"})
    page.get_by_role("button", name="Solo Bass").click()
    listening.wait_until_heard(page, {"vocals"})  # muted stays muted
    page.get_by_role("button", name="Mute Bass").click()
    listening.wait_until_heard(page, {"vocals", "bass"})


def test_a_fader_at_zero_silences_its_stem(page: Page, song: Song) -> None:
    open_song(page, song)
    play(page)
    page.get_by_role("slider", name="Volume of Drums").fill("0")
    listening.wait_until_heard(page, {"vocals", "bass", "other"})


def test_the_keyboard_plays_seeks_mutes_and_solos(page: Page, song: Song) -> None:
    open_song(page, song)
    player = page.locator("[data-player]")
    page.locator("body").press("Space")
    expect(player).to_have_attribute("data-state", "playing")
    page.locator("body").press("ArrowRight")
    page.wait_for_function("() => Number(document.querySelector('[data-seek]').value) >= 5")
    page.locator("body").press("2")
    expect(page.get_by_role("button", name="Mute Drums")).to_have_attribute("aria-pressed", "true")
    page.locator("body").press("Shift+Digit3")
    expect(page.get_by_role("button", name="Solo Bass")).to_have_attribute("aria-pressed", "true")
    listening.wait_until_heard(page, {"bass"})
    page.locator("body").press("Space")
    expect(player).to_have_attribute("data-state", "paused")
    page.locator("[data-seek]").focus()
    before = position(page)
    page.locator("[data-seek]").press("ArrowLeft")
    assert position(page) == pytest.approx(max(0, before - 5), abs=0.11)


def test_keys_typed_into_the_search_box_are_letters(page: Page, song: Song) -> None:
    open_song(page, song)
    page.get_by_role("combobox").press_sequentially("1 2")
    expect(page.get_by_role("button", name="Mute Vocals")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-player]")).to_have_attribute("data-state", "paused")


def test_a_click_on_any_waveform_seeks_all_stems(page: Page, song: Song) -> None:
    open_song(page, song)
    play(page)
    wave = page.locator("[data-stem=bass] [data-wave]")
    box = wave.bounding_box()
    assert box
    wave.click(position={"x": box["width"] * 0.6, "y": box["height"] / 2})
    page.wait_for_function("() => Number(document.querySelector('[data-seek]').value) >= 12")
    assert position(page) < 15
    listening.wait_until_heard(page, set(TONES))


def test_the_waveforms_are_drawn_in_the_colours_of_their_stems(page: Page, song: Song) -> None:
    open_song(page, song)
    page.wait_for_function(  # by its address: reading pixels again and again is something Chromium complains about
        """() => [...document.querySelectorAll('canvas.wave-played')].every((canvas) => {
          const blank = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
          return canvas.toDataURL() !== blank.toDataURL();
        })"""
    )
    colours = page.eval_on_selector_all("canvas.wave-played", "all => all.map(each => getComputedStyle(each).color)")
    assert len(set(colours)) == len(TONES)


def test_the_mix_is_remembered_for_the_song(page: Page, song: Song) -> None:
    open_song(page, song)
    page.get_by_role("button", name="Mute Vocals").click()
    page.get_by_role("slider", name="Volume of Bass").fill("0.5")
    page.reload()
    expect(page.get_by_role("button", name="Mute Vocals")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("slider", name="Volume of Bass")).to_have_value("0.5")
    play(page)
    listening.wait_until_heard(page, {"drums", "bass", "other"})


def test_a_stored_mix_that_cannot_be_used_is_ignored(page: Page, song: Song) -> None:
    stored = {
        "vocals": {"volume": "loud", "muted": 1, "solo": None},
        "drums": None,
        "bass": {"volume": 99, "muted": True},
    }
    page.add_init_script(f"localStorage.setItem('demixer:mix:{song.id}', JSON.stringify({json.dumps(stored)}))")
    open_song(page, song)
    expect(page.get_by_role("slider", name="Volume of Vocals")).to_have_value("1")
    expect(page.get_by_role("slider", name="Volume of Bass")).to_have_value("1")
    expect(page.get_by_role("button", name="Mute Bass")).to_have_attribute("aria-pressed", "true")
    play(page)
    listening.wait_until_heard(page, {"vocals", "drums", "other"})


def test_a_chunk_that_comes_after_a_seek_is_not_played_twice(context: BrowserContext, song: Song) -> None:
    """The chunk that was loading before the seek comes first, then the one that the player loads after the seek."""
    page = context.new_page()
    page.add_init_script(COUNT_STARTS)
    held: dict[int, list[Route]] = {1: [], 3: []}

    def hold_two_chunks(route: Route) -> None:
        start = int(route.request.headers["range"].removeprefix("bytes=").partition("-")[0])
        chunk = round(start / CHUNK_BYTES)
        if chunk in held:
            held[chunk].append(route)
        else:
            route.continue_()

    page.route("**/stems/other.mp3", hold_two_chunks)
    open_song(page, song)
    play(page)
    wait_for_requests(page, held[1])
    page.locator("[data-seek]").fill("11")
    wait_for_requests(page, held[3])
    for routes in held.values():
        for route in routes:
            route.continue_()
        page.wait_for_timeout(LONGER_THAN_A_CHECK)
    page.wait_for_function(f"() => window.starts.length >= {3 * len(TONES)}")
    starts = page.evaluate("() => window.starts")
    assert max(starts.count(start) for start in starts) == len(TONES)


def wait_for_requests(page: Page, held: list[Route]) -> None:
    while not held:
        page.wait_for_timeout(50)


def test_a_stem_that_does_not_load_says_so_and_can_be_tried_again(context: BrowserContext, song: Song) -> None:
    page = context.new_page()  # its console rightly complains about the failed requests
    refuse = "**/stems/drums.mp3"
    page.route(refuse, lambda route: route.abort())
    open_song(page, song)
    play(page)
    problem = page.locator("[data-stem=drums] [data-problem]")
    expect(problem).to_be_visible()
    listening.wait_until_heard(page, {"vocals", "bass", "other"})
    page.unroute(refuse)
    problem.get_by_role("button", name="Try again").click()
    expect(problem).to_be_hidden()
    listening.wait_until_heard(page, set(TONES))


def test_a_slow_network_stops_the_clock_until_all_stems_are_there(context: BrowserContext, song: Song) -> None:
    page = context.new_page()
    held: list[Route] = []
    holding = True

    def hold_later_chunks(route: Route) -> None:
        start = int(route.request.headers["range"].removeprefix("bytes=").partition("-")[0])
        if holding and start > 100_000:
            held.append(route)
        else:
            route.continue_()

    page.route("**/stems/other.mp3", hold_later_chunks)
    open_song(page, song)
    play(page)
    expect(page.locator("[data-player]")).to_have_attribute("data-state", "loading", timeout=20_000)
    assert position(page) == pytest.approx(5.2, abs=0.1)
    holding = False
    for route in held:
        route.continue_()
    expect(page.locator("[data-player]")).to_have_attribute("data-state", "playing")
    listening.wait_until_heard(page, set(TONES))


def test_without_javascript_every_stem_has_a_player_and_downloads(
    context: BrowserContext, site: str, song: Song, services: Services
) -> None:
    assert context.browser
    bare = context.browser.new_context(base_url=site, java_script_enabled=False)
    page = bare.new_page()
    complaints = watched(page)
    page.goto(f"/songs/{song.id}")
    expect(page.locator("audio")).to_have_count(len(TONES))
    with page.expect_download() as download:
        page.get_by_role("link", name="Vocals, MP3").click()
    assert download.value.suggested_filename == "Ana y Los Otros - Amanecer (vocals).mp3"
    assert complaints == []
    bare.close()
