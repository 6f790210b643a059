"""Fingerprints made in the browser: songs that are found by them, and what a page asks with."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route

from demixer.domain import Person, Song
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.fingerprint import Fingerprint
from demixer.recognition.similarity import FingerprintSimilarity, compare_fingerprints
from demixer.wiring import Services
from tests.browser.browsing import a_playable_song
from web.http import assets

WAIT = 20_000  # ms for what a print comes before: seconds on a busy machine


def has_chromaprint() -> bool:
    return (assets.FOLDER / assets.CHROMAPRINT).is_file()


def need_chromaprint() -> None:
    """It comes from npm's registry, which a laptop may do without."""
    if not has_chromaprint():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromaprint: `make install` brings it where npm is")


def a_recorded_song(services: Services, person: Person, title: str, file: Path) -> Song:
    """A song that is listed, and known by the fingerprint that the server makes of `file`."""
    print_ = served_print(file)
    song = a_playable_song(services, person, title, seconds=print_.duration)
    services.fingerprints.add(song.id, print_.to_bytes())
    return services.catalogue.songs.save(replace(song, fingerprint=print_.to_bytes()))


def served_print(file: Path) -> Fingerprint:
    return decode_and_fingerprint(file, max_minutes=20).fingerprint


class Asked(list[dict[str, Any]]):
    """What the page asks with, while it is answered that a song is here: so nothing is sent."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        page.route("**/api/v1/matches", self._answer)

    def _answer(self, route: Route) -> None:
        self.append(json.loads(route.request.post_data or ""))
        links = {"page": "http://demixer.example/songs/0123456789abcdef"}
        song = {"id": "0123456789abcdef", "title": "A", "artist": "B", "cover": None, "links": links}
        route.fulfill(json={"song": song})


def similar(asked: dict[str, Any], other: Fingerprint, phase: str = "fingerprint") -> FingerprintSimilarity:
    return compare_fingerprints(print_of(asked, phase), [other])


def print_of(asked: dict[str, Any], phase: str) -> Fingerprint:
    return Fingerprint(np.array(asked[phase], dtype=np.uint32), asked["duration"])
