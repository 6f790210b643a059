"""What becomes of a file that is like songs of the catalogue, by what was found when it was compared with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.maintenance import LostEventRepublisher
from demixer.domain import Comparison, MatchVerdict, Relation, RelationType, Upload, UploadState
from demixer.services.matching import MAX_ATTEMPTS
from demixer.wiring import Services
from tests.steps import an_analysis, fingerprinted, match, matched, now, sent, separated, song_of
from tests.wired import Clock


@pytest.fixture
def first(services: Services) -> Upload:
    """It made a song that is being separated."""
    return matched(services, sent(services, "ana", b"first"))


def compared(first: Upload, verdict: MatchVerdict, *missing: str) -> Comparison:
    """With the song of `first`, which has the stems `missing`."""
    assert first.song_id
    return Comparison(song_id=first.song_id, verdict=verdict, missing_stems=missing)


def second(services: Services, *comparisons: Comparison) -> Upload:
    return matched(services, sent(services, "berta", b"second"), replace(an_analysis(), comparisons=comparisons))


def test_the_same_mix_joins_a_song_that_is_still_being_separated(services: Services, first: Upload) -> None:
    assert second(services, compared(first, MatchVerdict.SAME)).song_id == first.song_id


def test_an_upload_that_only_the_stems_can_settle_waits_for_them_and_is_compared_again(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    waiting = second(services, compared(first, MatchVerdict.UNSURE))
    assert (waiting.state, waiting.waiting_for, waiting.song_id) == (UploadState.FINGERPRINTED, first.song_id, None)
    separated(services, tmp_path / "stems", first.song_id or "")
    services.matching.resume_waiting(first.song_id or "")
    again = now(services, waiting)
    assert (again.state, again.attempt, again.waiting_for) == (UploadState.RECEIVED, 2, None)
    same = replace(an_analysis(), comparisons=(compared(first, MatchVerdict.SAME),))
    match(services, fingerprinted(services, again, same))
    assert now(services, waiting).song_id == first.song_id


def test_the_event_of_an_upload_that_waits_for_stems_does_not_count_as_lost(
    services: Services, first: Upload, clock: Clock
) -> None:
    waiting = second(services, compared(first, MatchVerdict.UNSURE))
    lost = LostEventRepublisher(
        services.catalogue,
        services.events,
        services.uploads,
        services.separations,
        services.capabilities,
        clock,
        clock.monotonic,
    )
    for _ in range(3):
        lost.republish()
        clock.advance(7 * 3600)
    assert now(services, waiting) == waiting


def test_an_upload_that_even_the_stems_do_not_settle_becomes_a_version(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    separated(services, tmp_path / "stems", first.song_id or "")
    other = second(services, compared(first, MatchVerdict.UNSURE))
    assert other.song_id != first.song_id
    assert song_of(services, other.song_id).relations == (
        Relation(song_id=first.song_id or "", type=RelationType.VERSION),
    )


def test_another_mix_is_a_song_of_its_own_and_each_has_a_relation_to_the_other(
    services: Services, first: Upload, tmp_path: Path
) -> None:
    karaoke = second(services, compared(first, MatchVerdict.MIX, "vocals"))
    assert karaoke.song_id != first.song_id
    for upload in (first, karaoke):
        separated(services, tmp_path / upload.id, upload.song_id or "")
    ((there, original),) = services.songs.view(karaoke.song_id or "", None).related_songs
    ((back, sung),) = services.songs.view(first.song_id or "", None).related_songs
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


def test_a_related_song_that_nobody_can_see_is_not_shown(services: Services, first: Upload, tmp_path: Path) -> None:
    edit = second(services, compared(first, MatchVerdict.EDIT))
    separated(services, tmp_path / "stems", edit.song_id or "")
    assert song_of(services, edit.song_id).relations
    assert services.songs.view(edit.song_id or "", None).related_songs == []


def test_a_candidate_that_was_not_compared_yet_is_compared_but_only_so_often(services: Services, first: Upload) -> None:
    stranger = Comparison(song_id="of before", verdict=MatchVerdict.VERSION)
    upload = sent(services, "berta", b"second")
    for attempt in range(1, MAX_ATTEMPTS):
        event = fingerprinted(services, now(services, upload), replace(an_analysis(), comparisons=(stranger,)))
        match(services, event)
        assert (now(services, upload).state, now(services, upload).attempt) == (UploadState.RECEIVED, attempt + 1)
    event = fingerprinted(services, now(services, upload), replace(an_analysis(), comparisons=(stranger,)))
    match(services, event)
    assert now(services, upload).song_id not in (None, first.song_id)


def test_a_recording_with_little_information_is_matched_by_its_samples(services: Services) -> None:
    jingle = replace(an_analysis(5), sample_hash="5ad")
    one = matched(services, sent(services, "ana", b"wav"), jingle)
    other = matched(services, sent(services, "berta", b"flac"), replace(an_analysis(6), sample_hash="5ad"))
    third = matched(services, sent(services, "carla", b"ogg"), replace(an_analysis(7), sample_hash="0ff"))
    assert other.song_id == one.song_id
    assert third.song_id != one.song_id
