"""Looking a recording up by a fingerprint that somebody else's program made."""

from dataclasses import replace

import numpy as np
import pytest

from demixer.domain import Song, SongState
from demixer.recognition.fingerprint import Fingerprint
from demixer.wiring import Services
from tests.steps import an_analysis, matched, sent, song_of


def fingerprint_of(seed: int) -> Fingerprint:
    return Fingerprint.from_bytes(an_analysis(seed).fingerprint)


@pytest.fixture
def song(services: Services) -> Song:
    """Visible, with the fingerprint of `an_analysis(1)`."""
    upload = matched(services, sent(services), an_analysis(1))
    return services.catalogue.songs.save(replace(song_of(services, upload.song_id), state=SongState.ACTIVE))


def test_a_visible_song_is_found(services: Services, song: Song) -> None:
    assert services.lookup.find([fingerprint_of(1)]) == song
    assert services.lookup.find([fingerprint_of(2)]) is None


def test_one_alignment_variant_that_agrees_is_enough(services: Services, song: Song) -> None:
    assert services.lookup.find([fingerprint_of(2), fingerprint_of(1)]) == song


@pytest.mark.parametrize("state", [state for state in SongState if state is not SongState.ACTIVE])
def test_a_song_that_people_cannot_see_is_passed_over(services: Services, song: Song, state: SongState) -> None:
    services.catalogue.songs.save(replace(song, state=state))
    assert services.lookup.find([fingerprint_of(1)]) is None


def test_a_candidate_without_a_song_is_passed_over(services: Services, song: Song) -> None:
    services.fingerprints.add("gone", an_analysis(1).fingerprint)
    assert services.lookup.find([fingerprint_of(1)]) == song


def test_the_beginning_of_something_longer_is_another_recording(services: Services, song: Song) -> None:
    """Its stems would be of no use."""
    items = np.concatenate([fingerprint_of(1).items, fingerprint_of(2).items])
    assert services.lookup.find([Fingerprint(items, fingerprint_of(1).duration + fingerprint_of(2).duration)]) is None


def test_an_empty_fingerprint_finds_nothing(services: Services, song: Song) -> None:
    assert services.lookup.find([Fingerprint(np.array([], dtype=np.uint32), 1.0)]) is None
