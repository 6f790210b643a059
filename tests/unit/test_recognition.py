"""Uploads join songs and leave them, each step done twice and cut short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demixer.domain import Event, Failure, MatchMethod, SeparationState, Status, Tags, Upload, UploadState
from demixer.domain import events as facts
from demixer.services import analyses, matching, removals, separations, uploads
from demixer.wiring import House
from tests.houses import data_of, published
from tests.ways import (
    MODEL,
    bytes_of,
    fingerprinted,
    heard,
    keys,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
)


class Killed(BaseException):
    """The process ended here."""


def killed_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, after: bool) -> Callable[[], None]:
    """`owner.name` ends the process, before or after it did its work. Returns how to let it live."""
    original = getattr(owner, name)

    def deadly(*args: Any, **kwargs: Any) -> None:
        if after:
            original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, name, deadly)
    return lambda: monkeypatch.setattr(owner, name, original)


def match(house: House, event: Event) -> None:
    matching.match(house, event, lambda: MODEL)
    house.flush()


def requests(house: House) -> list[Event]:
    return published(house, "separations")


def withdrawn(house: House, upload: Upload) -> Event:
    return facts.upload_withdrawn(now(house, upload), house.now())


def test_a_new_recording_becomes_a_song_and_asks_for_one_separation(house: House) -> None:
    upload = matched(house, sent(house))
    song = song_of(house, upload.song_id)
    assert (upload.state, upload.matched_by) == (UploadState.JOINED, None)
    assert (song.audio_key, song.owner_id, song.tags.title, song.has_stems) == (upload.audio_key, "ana", "Song", False)
    assert [data_of(event)["separation_id"] for event in requests(house)] == [song.separation_id]


def test_what_a_person_typed_wins_over_what_the_file_says(house: House) -> None:
    incoming = uploads.IncomingFile(house)
    incoming.write(b"bytes")
    upload = uploads.receive(house, "ana", "x.mp3", incoming, Tags(title="Typed"))
    upload = matched(house, upload, heard(artist="From the file", title="From the file"))
    assert song_of(house, upload.song_id).tags == Tags(artist="From the file", title="Typed")


def test_the_same_bytes_from_another_person_join_at_once(house: House, tmp_path: Path) -> None:
    first = matched(house, sent(house, "ana"))
    separated(house, tmp_path / "stems", first.song_id or "")
    second = matched(house, sent(house, "berta"))
    assert (second.song_id, second.matched_by, second.audio_key) == (first.song_id, MatchMethod.FILE, "")
    assert uploads.view(house, second).status is Status.READY
    assert f"uploads/{second.id}" not in keys(house)
    assert f"uploads/{first.id}" in keys(house)
    assert len(requests(house)) == 1


def test_another_encoding_joins_the_recording_and_its_bytes_are_known_from_then_on(house: House) -> None:
    first = matched(house, sent(house, data=b"flac"), heard(1))
    second = matched(house, sent(house, data=b"mp3"), heard(1))
    assert (second.song_id, second.matched_by) == (first.song_id, MatchMethod.RECORDING)
    third = matched(house, sent(house, data=b"mp3"), heard(2))
    assert (third.song_id, third.matched_by) == (first.song_id, MatchMethod.FILE)


def test_another_recording_becomes_another_song(house: House) -> None:
    first = matched(house, sent(house, data=b"1"), heard(1))
    second = matched(house, sent(house, data=b"2"), heard(2))
    assert first.song_id != second.song_id
    assert len(requests(house)) == 2


def test_two_people_who_send_the_same_new_song_cost_one_separation(house: House) -> None:
    sent_by = [sent(house, person, data=person.encode()) for person in ("ana", "berta")]
    events = [fingerprinted(house, upload, heard(1)) for upload in sent_by]
    for event in events:
        match(house, event)
    assert now(house, sent_by[1]).state is UploadState.RECEIVED, "to be compared with what has come meanwhile"
    match(house, fingerprinted(house, now(house, sent_by[1]), heard(1)))
    assert len({now(house, upload).song_id for upload in sent_by}) == 1
    assert len(requests(house)) == 1


def test_every_event_delivered_twice_has_the_effect_of_one(house: House) -> None:
    upload = sent(house)
    received = published(house)[0]
    assert analyses.begin(house, received)
    again = analyses.begin(house, received)  # its process was killed
    assert again is not None
    analyses.finish(house, again, heard())
    analyses.finish(house, again, heard())
    assert analyses.begin(house, received) is None
    house.flush()
    (event,) = published(house, "matching")
    match(house, event)
    joined, song = now(house, upload), song_of(house, now(house, upload).song_id)
    match(house, event)
    assert (now(house, upload), song_of(house, song.id)) == (joined, song)
    assert len(published(house, "matching")) == 1
    assert len(requests(house)) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["songs.save", "fingerprints.add", "separations.save", "uploads.save", "remember"])
def test_a_match_killed_anywhere_is_completed_by_the_next_delivery(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    upload = sent(house)
    event = fingerprinted(house, upload, heard())
    owner, name = {
        "songs.save": (house.catalogue.songs, "save"),
        "fingerprints.add": (house.fingerprints, "add"),
        "separations.save": (house.catalogue.separations, "save"),
        "uploads.save": (house.catalogue.uploads, "save"),
        "remember": (house.catalogue.songs, "link_file"),
    }[step]
    live = killed_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        match(house, event)
    live()
    house.flush()  # the sweeper
    match(house, event)
    joined = now(house, upload)
    song = song_of(house, joined.song_id)
    assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
    assert (song.audio_key, len(requests(house))) == (upload.audio_key, 1)
    assert requests(house)[0].data["separation_id"] == song.separation_id
    assert list(house.fingerprints.candidates([heard().fingerprint])) == [song.id]


def test_a_separation_quicker_than_a_match_that_was_killed_is_shown(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upload = sent(house)
    event = fingerprinted(house, upload, heard())
    live = killed_at(monkeypatch, house.catalogue.separations, "save", after=True)
    with pytest.raises(Killed):
        match(house, event)
    live()
    house.flush()
    begun = separations.begin(house, requests(house)[0], "CPU")
    assert begun is not None
    (tmp_path / "stems").mkdir()
    separations.finish(house, begun[0], tmp_path / "stems", (), 1.0)
    match(house, event)
    assert song_of(house, now(house, upload).song_id).has_stems
    assert uploads.view(house, now(house, upload)).status is Status.READY


def test_a_song_whose_separation_failed_is_asked_for_again_by_the_next_who_brings_it(house: House) -> None:
    first = matched(house, sent(house, "ana"))
    separation = separation_of(house, song_of(house, first.song_id).separation_id)
    separations.fail(house, separation, Failure("worker-died"))
    matched(house, sent(house, "berta"))
    assert [data_of(event)["attempt"] for event in requests(house)] == [1, 2]
    assert uploads.view(house, first).status is Status.QUEUED


def test_a_file_that_cannot_become_a_song_is_forgotten_and_says_why(house: House) -> None:
    upload = sent(house)
    for _ in range(2):
        analyses.reject(house, upload, Failure("not-audio"), keep_file=False)
    house.flush()
    seen = uploads.view(house, now(house, upload))
    assert (seen.status, seen.failure, keys(house)) == (Status.FAILED, Failure("not-audio"), set())
    assert [event.type for event in published(house, "uploads")] == ["upload.received", "upload.rejected"]


def test_rejecting_what_has_no_file_any_more_touches_nobody_elses(house: House) -> None:
    upload = sent(house)
    other = sent(house, data=b"another")
    analyses.reject(house, upload, Failure("not-audio"), keep_file=False)
    analyses.reject(house, now(house, upload), Failure("not-audio"), keep_file=False)
    assert keys(house) == {other.audio_key}


def test_giving_up_fails_the_upload_but_keeps_the_file_for_another_try(house: House) -> None:
    upload = sent(house)
    analyses.give_up(house, published(house)[0], Failure("storage-full"))
    assert (now(house, upload).state, keys(house)) == (UploadState.FAILED, {upload.audio_key})


def test_a_cancelled_upload_is_not_fingerprinted_and_leaves_no_file(house: House) -> None:
    upload = sent(house)
    uploads.cancel(house, "ana", upload.id)
    assert analyses.begin(house, published(house, "uploads")[0]) is None
    for _ in range(2):
        removals.withdraw(house, withdrawn(house, upload))
    assert keys(house) == set()


def test_a_cancelled_song_that_nobody_else_waits_for_goes_with_all_it_had(house: House) -> None:
    upload = matched(house, sent(house), heard(cover="covers/x.jpg"))
    song = song_of(house, upload.song_id)
    uploads.cancel(house, "ana", upload.id)
    for _ in range(2):
        removals.withdraw(house, withdrawn(house, upload))
        house.flush()
    gone = song_of(house, upload.song_id)
    assert (gone.is_removed, keys(house)) == (True, set())
    assert separation_of(house, song.separation_id).state is SeparationState.CANCELLED
    assert not house.fingerprints.candidates([song.fingerprint])
    assert [event.type for event in published(house, "songs")] == ["song.removed"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["separations.save", "fingerprints.remove", "files.delete", "songs.save"])
def test_a_leave_killed_anywhere_is_completed_by_the_next_delivery(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    upload = matched(house, sent(house))
    uploads.cancel(house, "ana", upload.id)
    owner, name = {
        "separations.save": (house.catalogue.separations, "save"),
        "fingerprints.remove": (house.fingerprints, "remove"),
        "files.delete": (house.files, "delete"),
        "songs.save": (house.catalogue.songs, "save"),
    }[step]
    live = killed_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        removals.withdraw(house, withdrawn(house, upload))
    live()
    removals.withdraw(house, withdrawn(house, upload))
    song = song_of(house, upload.song_id)
    assert (song.is_removed, keys(house)) == (True, set())
    assert separation_of(house, song.separation_id).state is SeparationState.CANCELLED


def test_a_cancelled_song_that_somebody_else_waits_for_goes_on(house: House) -> None:
    first, second = matched(house, sent(house, "ana")), matched(house, sent(house, "berta"))
    uploads.cancel(house, "ana", first.id)
    removals.withdraw(house, withdrawn(house, first))
    song = song_of(house, second.song_id)
    assert not song.is_removed
    assert song.audio_key in keys(house)
    assert separation_of(house, song.separation_id).is_open


def test_stems_that_are_ready_stay_when_the_upload_is_deleted(house: House, tmp_path: Path) -> None:
    upload = matched(house, sent(house))
    separated(house, tmp_path / "stems", upload.song_id or "")
    uploads.delete(house, "ana", upload.id)
    removals.withdraw(house, withdrawn(house, upload))
    song = song_of(house, upload.song_id)
    assert song.has_stems
    assert song.audio_key in keys(house)


def test_a_song_made_by_an_upload_that_was_cancelled_before_it_joined_goes_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house)
    event = fingerprinted(house, upload, heard())
    live = killed_at(monkeypatch, house.catalogue.uploads, "save", after=False)
    with pytest.raises(Killed):
        match(house, event)
    live()
    uploads.cancel(house, "ana", upload.id)
    match(house, event)
    removals.withdraw(house, withdrawn(house, upload))
    (separation,) = house.catalogue.separations.in_state(list(SeparationState))
    assert song_of(house, separation.song_id).is_removed
    assert (separation.state, keys(house)) == (SeparationState.CANCELLED, set())


def test_a_cancel_in_the_middle_of_joining_takes_the_new_song_with_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(house)
    event = fingerprinted(house, upload, heard())
    add = house.fingerprints.add

    def cancelled_meanwhile(song_id: str, fingerprint: bytes) -> None:
        add(song_id, fingerprint)
        uploads.cancel(house, "ana", upload.id)

    monkeypatch.setattr(house.fingerprints, "add", cancelled_meanwhile)
    match(house, event)
    (separation,) = house.catalogue.separations.in_state(list(SeparationState))
    assert separation.state is SeparationState.CANCELLED
    assert (song_of(house, separation.song_id).is_removed, now(house, upload).song_id) == (True, None)


def test_a_song_that_was_taken_back_can_be_brought_again(house: House, tmp_path: Path) -> None:
    first = matched(house, sent(house, "ana"))
    uploads.cancel(house, "ana", first.id)
    removals.withdraw(house, withdrawn(house, first))
    second = matched(house, sent(house, "berta"))
    assert (second.song_id, second.matched_by) == (first.song_id, None)
    song = song_of(house, second.song_id)
    assert (song.is_removed, song.owner_id, song.audio_key) == (False, "berta", second.audio_key)
    separated(house, tmp_path / "stems", song.id)
    assert song_of(house, song.id).has_stems


def test_a_song_whose_file_was_lost_takes_the_one_that_is_sent_again(house: House) -> None:
    first = matched(house, sent(house, "ana"))
    house.files.delete(first.audio_key)
    again = matched(house, sent(house, "berta"))
    song = song_of(house, again.song_id)
    assert (again.song_id, again.matched_by) == (first.song_id, MatchMethod.FILE)
    assert bytes_of(house, song.audio_key) == b"a song"


def test_another_encoding_of_a_song_whose_file_was_lost_is_kept_too(house: House) -> None:
    first = matched(house, sent(house, "ana"))
    house.files.delete(first.audio_key)
    again = matched(house, sent(house, "berta", b"otherwise encoded"))
    assert again.matched_by is MatchMethod.RECORDING
    assert bytes_of(house, song_of(house, first.song_id).audio_key) == b"otherwise encoded"
    assert again.audio_key == song_of(house, first.song_id).audio_key
