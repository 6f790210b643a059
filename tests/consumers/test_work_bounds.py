"""What the worst upload can cost, by counts: the longest print there may be, beside songs that share all its keys."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from demixer.adapters.common.hit_counts import key_hashes_of
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.domain import Analysis, Comparison, MatchVerdict, Song
from demixer.recognition import similarity
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint
from demixer.recognition.reference import RATE
from demixer.services import comparisons, matching
from demixer.services.comparisons import KEPT, LISTENED
from demixer.wiring import House
from tests.ways import MODEL, fingerprinted, heard, matched, now, sent, song_of

MINUTES = 20  # MAX_MINUTES
SONGS = 5_000
CANDIDATES = 50
pytestmark = [pytest.mark.embedded, pytest.mark.thorough]


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.calls, self._function = 0, function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        return self._function(*arguments, **named)


@pytest.fixture(scope="module")
def longest() -> Analysis:
    """Each item is like no other, so that no key is passed over."""
    items = np.random.default_rng(1).integers(0, 2**32, round(MINUTES * 60 / ITEM_SECONDS), dtype=np.uint32)
    fingerprint = Fingerprint(items, MINUTES * 60.0).to_bytes()
    return replace(heard(), duration=MINUTES * 60.0, fingerprint=fingerprint, shifted_fingerprint=fingerprint)


@pytest.fixture
def crowded(house: House, longest: Analysis) -> House:
    """The index knows thousands of songs with this very print; the catalogue has more of them than are asked for."""
    song = song_of(house, matched(house, sent(house)).song_id)
    like = replace(song, fingerprint=longest.fingerprint, duration=longest.duration, version=0)
    for number in range(CANDIDATES + 10):
        house.catalogue.songs.save(replace(like, id=id_of(number), sha256=id_of(number)))
    assert isinstance(house.fingerprints, SqliteFingerprints)
    hashes = key_hashes_of(longest.fingerprint)
    house.fingerprints.load((id_of(number), hashes) for number in range(SONGS))
    return house


def id_of(number: int) -> str:
    return f"{number:020x}"


@pytest.fixture
def compared_prints(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(similarity.compare)
    monkeypatch.setattr(similarity, "compare", counted)
    return counted


def test_match_compares_as_many_prints_as_there_are_candidates_and_no_sound(
    crowded: House, longest: Analysis, compared_prints: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "reference_of", lambda *_: pytest.fail("it listens"))
    strangers = tuple(Comparison(song_id=f"gone {number}", verdict=MatchVerdict.VERSION) for number in range(KEPT))
    upload = sent(crowded, data=b"the longest")
    event = fingerprinted(crowded, upload, replace(longest, comparisons=strangers))
    matching.match(crowded, event, lambda: MODEL)
    assert compared_prints.calls == CANDIDATES
    assert now(crowded, upload).attempt == 2  # it is to be looked at again


def test_listening_ends_after_three_songs_and_looking_after_ten(
    crowded: House, longest: Analysis, compared_prints: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_mix(house: House, song: Song, *_: object) -> Comparison:
        return Comparison(song_id=song.id, verdict=MatchVerdict.MIX)

    listened = Counted(no_mix)
    monkeypatch.setattr(comparisons, "_by_sound", listened)
    found = comparisons.compared(crowded, [longest.fingerprint, longest.shifted_fingerprint], np.zeros(RATE, np.int16))
    assert (compared_prints.calls, listened.calls, len(found)) == (CANDIDATES, LISTENED, KEPT)
