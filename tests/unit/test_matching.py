"""Uploads join songs and leave them, each step done twice and cut short."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demixer.domain import Failure, MatchMethod, SeparationState, Status, Tags, UploadState
from demixer.services.storage import store_bytes
from demixer.wiring import Services, build_services
from schemas.events import SeparationRequested
from tests.steps import (
    an_analysis,
    bytes_of,
    fingerprinted,
    keys,
    match,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
    upload_event,
    withdraw,
)
from tests.wired import published


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


def restarted(services: Services) -> Services:
    """The same engines in a new process, once the maintenance consumer has published what the killed one left over."""
    new = build_services(services.adapters)
    new.relay.publish_abandoned(after=0)
    return new


def requests(services: Services) -> list[SeparationRequested]:
    """What `separation.requested` says, once for each."""
    events = published(services, "separations")
    return [event.data for event in events if isinstance(event.data, SeparationRequested)]


def test_a_new_recording_becomes_a_song_and_asks_for_one_separation(services: Services) -> None:
    upload = matched(services, sent(services))
    song = song_of(services, upload.song_id)
    assert (upload.state, upload.matched_by) == (UploadState.JOINED, None)
    assert (song.audio_key, song.owner_id, song.tags.title, song.has_stems) == (upload.audio_key, "ana", "Song", False)
    assert [request.separation_id for request in requests(services)] == [song.separation_id]


def test_what_a_person_typed_wins_over_what_the_file_says(services: Services) -> None:
    incoming = services.uploads.incoming()
    incoming.write(b"bytes")
    upload = services.uploads.receive("ana", "x.mp3", incoming, Tags(title="Typed"))
    upload = matched(services, upload, an_analysis(artist="From the file", title="From the file"))
    assert song_of(services, upload.song_id).tags == Tags(artist="From the file", title="Typed")


def test_the_same_bytes_from_another_person_join_at_once(services: Services, tmp_path: Path) -> None:
    first = matched(services, sent(services, "ana"))
    separated(services, tmp_path / "stems", first.song_id or "")
    second = matched(services, sent(services, "berta"))
    assert (second.song_id, second.matched_by, second.audio_key) == (first.song_id, MatchMethod.FILE, "")
    assert services.uploads.view(second).status is Status.READY
    assert f"uploads/{second.id}" not in keys(services)
    assert f"uploads/{first.id}" in keys(services)
    assert len(requests(services)) == 1


def test_another_encoding_joins_the_recording_and_its_bytes_are_known_from_then_on(services: Services) -> None:
    first = matched(services, sent(services, data=b"flac"), an_analysis(1))
    second = matched(services, sent(services, data=b"mp3"), an_analysis(1))
    assert (second.song_id, second.matched_by) == (first.song_id, MatchMethod.RECORDING)
    third = matched(services, sent(services, data=b"mp3"), an_analysis(2))
    assert (third.song_id, third.matched_by) == (first.song_id, MatchMethod.FILE)


def test_another_recording_becomes_another_song(services: Services) -> None:
    first = matched(services, sent(services, data=b"1"), an_analysis(1))
    second = matched(services, sent(services, data=b"2"), an_analysis(2))
    assert first.song_id != second.song_id
    assert len(requests(services)) == 2


def test_two_people_who_send_the_same_new_song_cost_one_separation(services: Services) -> None:
    sent_by = [sent(services, person, data=person.encode()) for person in ("ana", "berta")]
    events = [fingerprinted(services, upload, an_analysis(1)) for upload in sent_by]
    for event in events:
        match(services, event)
    assert now(services, sent_by[1]).state is UploadState.RECEIVED, "to be compared with what has come meanwhile"
    match(services, fingerprinted(services, now(services, sent_by[1]), an_analysis(1)))
    assert len({now(services, upload).song_id for upload in sent_by}) == 1
    assert len(requests(services)) == 1


def test_every_event_delivered_twice_has_the_effect_of_one(services: Services) -> None:
    upload = sent(services)
    received = published(services)[0]
    assert services.upload_analyses.begin(*upload_event(received))
    again = services.upload_analyses.begin(*upload_event(received))  # its process was killed
    assert again is not None
    for _ in range(2):
        services.upload_analyses.finish(again, replace(an_analysis(), id=again.sha256))
    assert services.upload_analyses.begin(*upload_event(received)) is None
    services.flush()
    (event,) = published(services, "matching")
    match(services, event)
    joined, song = now(services, upload), song_of(services, now(services, upload).song_id)
    match(services, event)
    assert (now(services, upload), song_of(services, song.id)) == (joined, song)
    assert len(published(services, "matching")) == 1
    assert len(requests(services)) == 1


def test_an_analysis_that_the_event_itself_carried_is_matched_without_a_stored_one(services: Services) -> None:
    """As events of version 1 did."""
    upload = sent(services)
    assert services.upload_analyses.begin(upload.id, 1)
    services.matching.match(upload.id, 1, an_analysis())
    joined = now(services, upload)
    assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
    assert song_of(services, joined.song_id).fingerprint == an_analysis().fingerprint


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "step", ["songs.save", "fingerprints.add", "separations.save", "uploads.save", "songs.link_file"]
)
def test_a_match_killed_anywhere_is_completed_by_the_next_delivery(
    services: Services, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, an_analysis())
    owner, name = {
        "songs.save": (services.catalogue.songs, "save"),
        "fingerprints.add": (services.fingerprints, "add"),
        "separations.save": (services.catalogue.separations, "save"),
        "uploads.save": (services.catalogue.uploads, "save"),
        "songs.link_file": (services.catalogue.songs, "link_file"),
    }[step]
    live = killed_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        match(services, event)
    live()
    services = restarted(services)
    match(services, event)
    joined = now(services, upload)
    song = song_of(services, joined.song_id)
    assert (joined.state, joined.matched_by) == (UploadState.JOINED, None)
    assert (song.audio_key, len(requests(services))) == (upload.audio_key, 1)
    assert requests(services)[0].separation_id == song.separation_id
    assert list(services.fingerprints.candidates([an_analysis().fingerprint])) == [song.id]


def test_a_separation_quicker_than_a_match_that_was_killed_is_shown(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, an_analysis())
    live = killed_at(monkeypatch, services.catalogue.separations, "save", after=True)
    with pytest.raises(Killed):
        match(services, event)
    live()
    services = restarted(services)
    begun = services.separations.begin(requests(services)[0].separation_id, 1, "CPU")
    assert begun is not None
    (tmp_path / "stems").mkdir()
    services.separations.finish(begun[0], tmp_path / "stems", (), 1.0)
    match(services, event)
    assert song_of(services, now(services, upload).song_id).has_stems
    assert services.uploads.view(now(services, upload)).status is Status.READY


def test_a_failed_separation_is_requested_again_by_the_next_upload(services: Services) -> None:
    first = matched(services, sent(services, "ana"))
    separation = separation_of(services, song_of(services, first.song_id).separation_id)
    services.separations.fail(separation, Failure("worker-died"))
    matched(services, sent(services, "berta"))
    assert [request.attempt for request in requests(services)] == [1, 2]
    assert services.uploads.view(first).status is Status.QUEUED


def test_a_file_that_cannot_become_a_song_is_forgotten_and_says_why(services: Services) -> None:
    upload = sent(services)
    for _ in range(2):
        services.upload_analyses.reject(upload, Failure("not-audio"), keep_file=False)
    services.flush()
    seen = services.uploads.view(now(services, upload))
    assert (seen.status, seen.failure, keys(services)) == (Status.FAILED, Failure("not-audio"), set())
    assert [event.type for event in published(services, "uploads")] == ["upload.received", "upload.rejected"]


def test_rejecting_what_has_no_file_any_more_touches_nobody_elses(services: Services) -> None:
    upload = sent(services)
    other = sent(services, data=b"another")
    services.upload_analyses.reject(upload, Failure("not-audio"), keep_file=False)
    services.upload_analyses.reject(now(services, upload), Failure("not-audio"), keep_file=False)
    assert keys(services) == {other.audio_key}


def test_giving_up_fails_the_upload_but_keeps_the_file_for_another_try(services: Services) -> None:
    upload = sent(services)
    services.upload_analyses.give_up(upload.id, 1, Failure("storage-full"))
    assert (now(services, upload).state, keys(services)) == (UploadState.FAILED, {upload.audio_key})


def test_a_cancelled_upload_is_not_fingerprinted_and_leaves_no_file(services: Services) -> None:
    upload = sent(services)
    services.uploads.cancel("ana", upload.id)
    assert services.upload_analyses.begin(*upload_event(published(services, "uploads")[0])) is None
    for _ in range(2):
        withdraw(services, upload.id)
    assert keys(services) == set()


def test_a_cancelled_song_that_nobody_else_waits_for_goes_with_all_it_had(services: Services) -> None:
    store_bytes(services.files, "covers/x.jpg", b"jpeg")
    upload = matched(services, sent(services), an_analysis(cover="covers/x.jpg"))
    song = song_of(services, upload.song_id)
    services.uploads.cancel("ana", upload.id)
    for _ in range(2):
        withdraw(services, upload.id)
    gone = song_of(services, upload.song_id)
    assert (gone.is_removed, keys(services)) == (True, set())
    assert separation_of(services, song.separation_id).state is SeparationState.CANCELLED
    assert not services.fingerprints.candidates([song.fingerprint])
    assert [event.type for event in published(services, "songs")] == ["song.removed"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["separations.save", "fingerprints.remove", "files.delete", "songs.save"])
def test_a_removal_killed_anywhere_is_completed_by_the_next_delivery(
    services: Services, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    upload = matched(services, sent(services))
    services.uploads.cancel("ana", upload.id)
    owner, name = {
        "separations.save": (services.catalogue.separations, "save"),
        "fingerprints.remove": (services.fingerprints, "remove"),
        "files.delete": (services.files, "delete"),
        "songs.save": (services.catalogue.songs, "save"),
    }[step]
    live = killed_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        withdraw(services, upload.id)
    live()
    withdraw(services, upload.id)
    song = song_of(services, upload.song_id)
    assert (song.is_removed, keys(services)) == (True, set())
    assert separation_of(services, song.separation_id).state is SeparationState.CANCELLED


def test_a_cancelled_song_that_somebody_else_waits_for_goes_on(services: Services) -> None:
    first, second = matched(services, sent(services, "ana")), matched(services, sent(services, "berta"))
    services.uploads.cancel("ana", first.id)
    withdraw(services, first.id)
    song = song_of(services, second.song_id)
    assert not song.is_removed
    assert song.audio_key in keys(services)
    assert separation_of(services, song.separation_id).is_open


def test_stems_that_are_ready_stay_when_the_upload_is_deleted(services: Services, tmp_path: Path) -> None:
    upload = matched(services, sent(services))
    separated(services, tmp_path / "stems", upload.song_id or "")
    services.uploads.delete("ana", upload.id)
    withdraw(services, upload.id)
    song = song_of(services, upload.song_id)
    assert song.has_stems
    assert song.audio_key in keys(services)


def test_a_song_made_by_an_upload_that_was_cancelled_before_it_joined_goes_too(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, an_analysis())
    live = killed_at(monkeypatch, services.catalogue.uploads, "save", after=False)
    with pytest.raises(Killed):
        match(services, event)
    live()
    services.uploads.cancel("ana", upload.id)
    match(services, event)
    withdraw(services, upload.id)
    (separation,) = services.catalogue.separations.in_state(list(SeparationState))
    assert song_of(services, separation.song_id).is_removed
    assert (separation.state, keys(services)) == (SeparationState.CANCELLED, set())


def test_a_cancel_in_the_middle_of_joining_takes_the_new_song_with_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(services)
    event = fingerprinted(services, upload, an_analysis())
    add = services.fingerprints.add

    def cancelled_meanwhile(song_id: str, fingerprint: bytes) -> None:
        add(song_id, fingerprint)
        services.uploads.cancel("ana", upload.id)

    monkeypatch.setattr(services.fingerprints, "add", cancelled_meanwhile)
    match(services, event)
    (separation,) = services.catalogue.separations.in_state(list(SeparationState))
    assert separation.state is SeparationState.CANCELLED
    assert (song_of(services, separation.song_id).is_removed, now(services, upload).song_id) == (True, None)


def test_a_withdrawn_song_can_be_sent_again(services: Services, tmp_path: Path) -> None:
    first = matched(services, sent(services, "ana"))
    services.uploads.cancel("ana", first.id)
    withdraw(services, first.id)
    second = matched(services, sent(services, "berta"))
    assert (second.song_id, second.matched_by) == (first.song_id, None)
    song = song_of(services, second.song_id)
    assert (song.is_removed, song.owner_id, song.audio_key) == (False, "berta", second.audio_key)
    separated(services, tmp_path / "stems", song.id)
    assert song_of(services, song.id).has_stems


def test_a_song_whose_file_was_lost_takes_the_one_that_is_sent_again(services: Services) -> None:
    first = matched(services, sent(services, "ana"))
    services.files.delete(first.audio_key)
    again = matched(services, sent(services, "berta"))
    song = song_of(services, again.song_id)
    assert (again.song_id, again.matched_by) == (first.song_id, MatchMethod.FILE)
    assert bytes_of(services, song.audio_key) == b"a song"


def test_another_encoding_of_a_song_whose_file_was_lost_is_kept_too(services: Services) -> None:
    first = matched(services, sent(services, "ana"))
    services.files.delete(first.audio_key)
    again = matched(services, sent(services, "berta", b"otherwise encoded"))
    assert again.matched_by is MatchMethod.RECORDING
    assert bytes_of(services, song_of(services, first.song_id).audio_key) == b"otherwise encoded"
    assert again.audio_key == song_of(services, first.song_id).audio_key
