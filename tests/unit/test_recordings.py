"""What becomes of a file that is like songs of the catalogue, by what was found when it was compared with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.maintenance import Lost
from demixer.domain import Comparison, MatchVerdict, Relation, RelationType, Upload, UploadState
from demixer.services import matching, songs
from demixer.services.matching import MOST_LOOKS
from demixer.wiring import House
from tests.houses import Clock
from tests.ways import MODEL, fingerprinted, heard, matched, now, sent, separated, song_of


@pytest.fixture
def first(house: House) -> Upload:
    """It made a song that is being separated."""
    return matched(house, sent(house, "ana", b"first"))


def like(first: Upload, finding: MatchVerdict, *without: str) -> Comparison:
    assert first.song_id
    return Comparison(song_id=first.song_id, verdict=finding, missing_stems=without)


def second(house: House, *compared: Comparison, data: bytes = b"second", seed: int = 1) -> Upload:
    return matched(house, sent(house, "berta", data), replace(heard(seed), comparisons=compared))


def test_the_same_mix_joins_a_song_that_is_still_being_separated(house: House, first: Upload) -> None:
    assert second(house, like(first, MatchVerdict.SAME)).song_id == first.song_id


def test_who_cannot_be_told_yet_waits_for_the_stems_and_is_compared_with_them_then(
    house: House, first: Upload, tmp_path: Path
) -> None:
    waiting = second(house, like(first, MatchVerdict.UNSURE))
    assert (waiting.state, waiting.waiting_for, waiting.song_id) == (UploadState.FINGERPRINTED, first.song_id, None)
    separated(house, tmp_path / "stems", first.song_id or "")
    matching.go_on(house, first.song_id or "")
    again = now(house, waiting)
    assert (again.state, again.attempt, again.waiting_for) == (UploadState.RECEIVED, 2, None)
    matching.match(
        house,
        fingerprinted(house, again, replace(heard(), comparisons=(like(first, MatchVerdict.SAME),))),
        lambda: MODEL,
    )
    assert now(house, waiting).song_id == first.song_id


def test_who_waits_for_stems_is_not_taken_for_lost(house: House, first: Upload, clock: Clock) -> None:
    waiting = second(house, like(first, MatchVerdict.UNSURE))
    lost = Lost(house, clock.monotonic)
    for _ in range(3):
        lost.announce()
        clock.advance(7 * 3600)
    assert now(house, waiting) == waiting


def test_who_can_never_be_told_becomes_a_song_of_its_own_and_a_version(
    house: House, first: Upload, tmp_path: Path
) -> None:
    separated(house, tmp_path / "stems", first.song_id or "")
    other = second(house, like(first, MatchVerdict.UNSURE))
    assert other.song_id != first.song_id
    assert song_of(house, other.song_id).relations == (
        Relation(song_id=first.song_id or "", type=RelationType.VERSION),
    )


def test_another_mix_is_a_song_of_its_own_and_both_say_what_differs(
    house: House, first: Upload, tmp_path: Path
) -> None:
    karaoke = second(house, like(first, MatchVerdict.MIX, "vocals"))
    assert karaoke.song_id != first.song_id
    for upload in (first, karaoke):
        separated(house, tmp_path / upload.id, upload.song_id or "")
    links = {upload.id: songs.view(house, upload.song_id or "", None).related_songs for upload in (first, karaoke)}
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


def test_a_relative_that_nobody_can_see_is_not_shown(house: House, first: Upload, tmp_path: Path) -> None:
    edit = second(house, like(first, MatchVerdict.EDIT))
    separated(house, tmp_path / "stems", edit.song_id or "")
    assert song_of(house, edit.song_id).relations
    assert songs.view(house, edit.song_id or "", None).related_songs == []


def test_a_song_like_it_that_has_come_meanwhile_is_looked_at_but_not_for_ever(house: House, first: Upload) -> None:
    stranger = Comparison(song_id="of before", verdict=MatchVerdict.VERSION)
    upload = sent(house, "berta", b"second")
    for attempt in range(1, MOST_LOOKS):
        event = fingerprinted(house, now(house, upload), replace(heard(), comparisons=(stranger,)))
        matching.match(house, event, lambda: MODEL)
        assert (now(house, upload).state, now(house, upload).attempt) == (UploadState.RECEIVED, attempt + 1)
    event = fingerprinted(house, now(house, upload), replace(heard(), comparisons=(stranger,)))
    matching.match(house, event, lambda: MODEL)
    assert now(house, upload).song_id not in (None, first.song_id)


def test_a_short_sound_is_known_by_its_samples(house: House) -> None:
    jingle = replace(heard(5), sample_hash="5ad")
    one = matched(house, sent(house, "ana", b"wav"), jingle)
    other = matched(house, sent(house, "berta", b"flac"), replace(heard(6), sample_hash="5ad"))
    third = matched(house, sent(house, "carla", b"ogg"), replace(heard(7), sample_hash="0ff"))
    assert other.song_id == one.song_id
    assert third.song_id != one.song_id
