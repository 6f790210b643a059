"""What the worst upload can cost, by counts: with the longest fingerprint, and songs that share all its keys."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from demixer.adapters.common.hit_counts import key_hashes_of
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.domain import Analysis, Comparison, MatchVerdict
from demixer.recognition import pipeline, similarity
from demixer.recognition.fingerprint import ITEM_SECONDS, Fingerprint
from demixer.recognition.mix_comparison import MixComparison
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.thresholds import MAX_COMPARISONS, MAX_SOUND_COMPARISONS
from demixer.services.comparisons import Comparisons
from demixer.wiring import Services
from tests.steps import an_analysis, fingerprinted, match, matched, now, sent, song_of

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
    return replace(an_analysis(), duration=MINUTES * 60.0, fingerprint=fingerprint, shifted_fingerprint=fingerprint)


@pytest.fixture
def crowded(services: Services, longest: Analysis) -> Services:
    """The index knows thousands of songs with this very fingerprint, the catalogue more than are proposed."""
    song = song_of(services, matched(services, sent(services)).song_id)
    like = replace(song, fingerprint=longest.fingerprint, duration=longest.duration, version=0)
    for number in range(CANDIDATES + 10):
        services.catalogue.songs.save(replace(like, id=id_of(number), sha256=id_of(number)))
    assert isinstance(services.fingerprints, SqliteFingerprints)
    hashes = key_hashes_of(longest.fingerprint)
    services.fingerprints.load((id_of(number), hashes) for number in range(SONGS))
    return services


def id_of(number: int) -> str:
    return f"{number:020x}"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Comparisons of fingerprints."""
    counted = Counted(similarity.compare_fingerprints)
    monkeypatch.setattr(similarity, "compare_fingerprints", counted)
    return counted


def test_match_compares_as_many_fingerprints_as_there_are_candidates_and_no_sound(
    crowded: Services, longest: Analysis, compared: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Comparisons, "reference_of", lambda *_: pytest.fail("it compares sound"))
    strangers = [Comparison(song_id=f"gone {n}", verdict=MatchVerdict.VERSION) for n in range(MAX_COMPARISONS)]
    upload = sent(crowded, data=b"the longest")
    event = fingerprinted(crowded, upload, replace(longest, comparisons=tuple(strangers)))
    match(crowded, event)
    assert compared.calls == CANDIDATES
    assert now(crowded, upload).attempt == 2  # it is to be compared again


def test_comparing_sound_ends_after_three_songs_and_comparing_after_ten(
    crowded: Services, longest: Analysis, compared: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.zeros(RATE, np.int16)
    by_sound = Counted(lambda *_: MixComparison(verdict=MatchVerdict.MIX))
    monkeypatch.setattr(crowded.comparisons, "reference_of", lambda song: Reference.without_stems(samples))
    monkeypatch.setattr(pipeline, "compare_sound", by_sound)
    found = crowded.comparisons.compare([longest.fingerprint, longest.shifted_fingerprint], samples)
    assert (compared.calls, by_sound.calls, len(found)) == (CANDIDATES, MAX_SOUND_COMPARISONS, MAX_COMPARISONS)
    assert (MAX_SOUND_COMPARISONS, MAX_COMPARISONS) == (3, 10)
