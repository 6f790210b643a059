"""What becomes of a file that is like songs of the catalogue, by what was found when it was compared with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.maintenance import Lost
from demixer.domain import Comparison, MatchVerdict, Relation, RelationType, Upload, UploadState
from demixer.services.matching import MOST_LOOKS
from demixer.wiring import Services
from tests.steps import MODEL, fingerprinted, heard, matched, now, sent, separated, song_of
from tests.wired import Clock


@pytest.fixture
def first(services: Services) -> Upload:
    """It made a song that is being separated."""
    return matched(services, sent(services, "ana", b"first"))


def like(first: Upload, finding: MatchVerdict, *without: str) -> Comparison:
    assert first.song_id
    return Comparison(song_id=first.song_id, verdict=finding, missing_stems=without)


def second(services: Services, *compared: Comparison, data: bytes = b"second", seed: int = 1) -> Upload:
    return matched(services, sent(services, "berta", data), replace(heard(seed), comparisons=compared))


def test_the_same_mix_joins_a_song_that_is_still_being_separated(services: Services, first: Upload) -> None:
    assert second(services, like(first, MatchVerdict.SAME)).song_id == first.song_id


def test_who_cannot_be_told_yet_waits_for_the_stems_and_is_compared_with_them_then(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    waiting = second(services, like(first, MatchVerdict.UNSURE))
    assert (waiting.state, waiting.waiting_for, waiting.song_id) == (UploadState.FINGERPRINTED, first.song_id, None)
    separated(services, tmp_path / "stems", first.song_id or "")
    services.matching.resume_waiting(first.song_id or "")
    again = now(services, waiting)
    assert (again.state, again.attempt, again.waiting_for) == (UploadState.RECEIVED, 2, None)
    match(
        services,
        fingerprinted(services, again, replace(heard(), comparisons=(like(first, MatchVerdict.SAME),))),
        lambda: MODEL,
    )
    assert now(services, waiting).song_id == first.song_id


def test_who_waits_for_stems_is_not_taken_for_lost(services: Services, first: Upload, clock: Clock) -> None:
    waiting = second(services, like(first, MatchVerdict.UNSURE))
    lost = Lost(services, clock.monotonic)
    for _ in range(3):
        lost.announce()
        clock.advance(7 * 3600)
    assert now(services, waiting) == waiting


def test_who_can_never_be_told_becomes_a_song_of_its_own_and_a_version(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    separated(services, tmp_path / "stems", first.song_id or "")
    other = second(services, like(first, MatchVerdict.UNSURE))
    assert other.song_id != first.song_id
    assert song_of(services, other.song_id).relations == (
        Relation(song_id=first.song_id or "", type=RelationType.VERSION),
    )


def test_another_mix_is_a_song_of_its_own_and_both_say_what_differs(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    karaoke = second(services, like(first, MatchVerdict.MIX, "vocals"))
    assert karaoke.song_id != first.song_id
    for upload in (first, karaoke):
        separated(services, tmp_path / upload.id, upload.song_id or "")
    links = {upload.id: services.songs.view(upload.song_id or "", None).related_songs for upload in (first, karaoke)}
    ((there, original),) = links[karaoke.id]
    ((back, sung),) = links[first.id]
    assert (original.id, there.type, there.missing_stems, there.lacks_stems) == (
        first.song_id,
        RelationType.MIX,
        ("vocals",),
        True,
    )
    assert (sung.id, back.type, back.missing_stems, back.lacks_stems) == (
        karaoke.song_id,
        RelationType.MIX,
        ("vocals",),
        False,
    )


def test_a_relative_that_nobody_can_see_is_not_shown(services: Services, first: Upload, tmp_path: Path) -> None:
    edit = second(services, like(first, MatchVerdict.EDIT))
    separated(services, tmp_path / "stems", edit.song_id or "")
    assert song_of(services, edit.song_id).relations
    assert services.songs.view(edit.song_id or "", None).related_songs == []


def test_a_song_like_it_that_has_come_meanwhile_is_looked_at_but_not_for_ever(
    services: Services, first: Upload
) -> None:
    stranger = Comparison(song_id="of before", verdict=MatchVerdict.VERSION)
    upload = sent(services, "berta", b"second")
    for attempt in range(1, MOST_LOOKS):
        event = fingerprinted(services, now(services, upload), replace(heard(), comparisons=(stranger,)))
        match(services, event, lambda: MODEL)
        assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.RECEIVED, attempt + 1)
    event = fingerprinted(services, now(services, upload), replace(heard(), comparisons=(stranger,)))
    match(services, event, lambda: MODEL)
    assert now(services, upload).song_id not in (None, first.song_id)


def test_a_short_sound_is_known_by_its_samples(services: Services) -> None:
    jingle = replace(heard(5), sample_hash="5ad")
    one = matched(services, sent(services, "ana", b"wav"), jingle)
    other = matched(services, sent(services, "berta", b"flac"), replace(heard(6), sample_hash="5ad"))
    third = matched(services, sent(services, "carla", b"ogg"), replace(heard(7), sample_hash="0ff"))
    assert other.song_id == one.song_id
    assert third.song_id != one.song_id
