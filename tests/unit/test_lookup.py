"""Looking a recording up by a print that somebody else's program made."""

from dataclasses import replace

import numpy as np
import pytest

from demixer.domain import Song, SongState
from demixer.recognition.fingerprint import Fingerprint
from demixer.wiring import Services
from tests.steps import heard, matched, sent, song_of


def print_of(seed: int) -> Fingerprint:
    return Fingerprint.from_bytes(heard(seed).fingerprint)


@pytest.fixture
def song(services: Services) -> Song:
    """Listed, with the print of `heard(1)`."""
    upload = matched(services, sent(services), heard(1))
    return services.catalogue.songs.save(replace(song_of(services, upload.song_id), state=SongState.ACTIVE))


def test_a_listed_song_is_proposed(services: Services, song: Song) -> None:
    assert services.lookup.find([print_of(1)]) == song
    assert services.lookup.find([print_of(2)]) is None


def test_one_phase_that_agrees_is_enough(services: Services, song: Song) -> None:
    assert services.lookup.find([print_of(2), print_of(1)]) == song


@pytest.mark.parametrize("hidden", [{"listed": False}, {"removed": True}], ids=["unlisted", "removed"])
def test_what_is_not_everybodys_is_passed_over(services: Services, song: Song, hidden: dict[str, bool]) -> None:
    services.catalogue.songs.save(replace(song, **hidden))  # type: ignore[arg-type]
    assert services.lookup.find([print_of(1)]) is None


def test_a_proposal_without_a_song_is_passed_over(services: Services, song: Song) -> None:
    services.fingerprints.add("gone", heard(1).fingerprint)
    assert services.lookup.find([print_of(1)]) == song


def test_the_beginning_of_something_longer_is_another_recording(services: Services, song: Song) -> None:
    """Its stems would be of no use."""
    items = np.concatenate([print_of(1).items, print_of(2).items])
    assert services.lookup.find([Fingerprint(items, print_of(1).duration + print_of(2).duration)]) is None


def test_a_print_of_nothing_is_nothing(services: Services, song: Song) -> None:
    assert services.lookup.find([Fingerprint(np.array([], dtype=np.uint32), 1.0)]) is None
