"""What browser tests share: a real server on a services of its own, songs with real stems, and Chromium."""

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect
from werkzeug.serving import WSGIRequestHandler, make_server

from demixer.audio.encode import StemWriter
from demixer.audio.peaks import Peaks
from demixer.domain import Person, Separation, Song, Stem
from demixer.ports import SongDocument
from demixer.wiring import Services
from tests.web.visiting import FOUR, PASSWORD, a_song

PATIENCE = 20_000  # ms: a page looks for a file for 10 s before it sends it, and a machine may be busy
expect.set_options(timeout=PATIENCE)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
)
PHONE, DESKTOP = (390, 844), (1440, 900)
INVALID_FORM = "status of 422"  # the browser's word for a form that comes back with its errors, as it should
SAMPLE_RATE = 44_100
Samples = NDArray[np.float32]

# Each stem is a tone of its own, so that listening to the mix tells which stems are in it.
TONES: Mapping[str, float] = {"vocals": 880.0, "drums": 3_520.0, "bass": 110.0, "other": 440.0}


class Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Dozens of lines a page would bury what a failing test has to say."""


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of `app` on a free port of this machine."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]  # live pages outlast their test by a moment
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def chromium(playwright: Playwright) -> Browser:
    """The system's own. Without one the test is skipped on a laptop, and fails in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on this machine (Debian: chromium)")
    return playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))


def watched(page: Page) -> list[str]:
    """What the page complains about: errors of its scripts, of its console, and answers of the server's own fault."""
    complaints: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and INVALID_FORM not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def sign_up(page: Page, email: str = "ana@example.com", name: str = "Ana") -> None:
    page.goto("/sign-up")
    page.fill("[name=email]", email)
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    page.wait_for_url(re.compile(r"/$"))


def sign_in(page: Page, email: str) -> None:
    page.goto("/sign-in")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    page.wait_for_url(re.compile(r"/$"))


def a_playable_song(services: Services, person: Person, title: str = "Amanecer", *, seconds: float = 20.0) -> Song:
    """A song with stems as the separation writes them: FLAC, MP3, peaks."""
    song = replace(a_song(services, person, title), duration=seconds)
    services.catalogue.songs.save(song)
    return with_stems(services, song.id)


def with_stems(services: Services, song_id: str) -> Song:
    """Separates the song as the consumer does, only quicker; tells whoever waits, and makes it findable."""
    begun = begin(services, song_id)
    with tempfile.TemporaryDirectory() as folder:
        for name in FOUR:
            write_stem(Path(folder), name, a_stem(name, services.songs.get(song_id).duration))
        stems = [Stem(name=name, peak=0.2) for name in FOUR]
        services.separations.finish(begun, Path(folder), stems, gain=1.0)
    services.flush()
    song = services.songs.get(song_id)
    services.search.put([SongDocument.of(song)])
    return song


def begin(services: Services, song_id: str) -> Separation:
    """The song's separation, running."""
    separation = services.catalogue.separations.get(services.songs.get(song_id).separation_id or "")
    assert separation
    begun = services.separations.begin(separation.id, separation.attempt, "CPU (2 cores)")
    assert begun
    return begun[0]


def write_stem(folder: Path, name: str, samples: Samples) -> None:
    peaks = Peaks()
    peaks.add(samples)
    with StemWriter(folder, name) as writer:
        writer.write(samples)
    (folder / f"{name}.json").write_text(json.dumps(peaks.waveform()))


def a_stem(name: str, seconds: float) -> Samples:
    """Shape (2, frames), peak 0.2: a steady tone that swells a little, so that the waveform has a shape."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    swell = 0.8 + 0.2 * np.sin(2 * np.pi * time * (0.3 + TONES[name] / 9000))
    tone = (0.2 * swell * np.sin(2 * np.pi * TONES[name] * time)).astype(np.float32)
    return np.stack([tone, tone])
