"""The operator takes a song down: its files go, people no longer find it, and its recording cannot come back."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demixer.cli.maintenance import reindex
from demixer.domain import (
    Analysis,
    Comparison,
    Failure,
    MatchVerdict,
    SeparationState,
    Song,
    SongState,
    Status,
    Tags,
    Upload,
    UploadState,
)
from demixer.domain.errors import Cancelled, NotFound, Refused
from demixer.recognition.fingerprint import Fingerprint
from demixer.services.file_analyser import samples_key
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.steps import (
    STEMS,
    an_analysis,
    fingerprinted,
    keys,
    match,
    matched,
    now,
    sent,
    separated,
    separation_of,
    song_of,
    stem_files,
    withdraw,
)
from tests.wired import Clock, published

TAKEN_DOWN = Failure("taken-down")


@pytest.fixture
def upload(services: Services) -> Upload:
    """It made a song that waits for its stems."""
    store_bytes(services.files, "covers/x.jpg", b"jpeg")
    return matched(services, sent(services, "ana", b"flac"), an_analysis(cover="covers/x.jpg"))


@pytest.fixture
def song(services: Services, upload: Upload, tmp_path: Path) -> Song:
    """It has stems."""
    separated(services, tmp_path / "stems", upload.song_id or "")
    return song_of(services, upload.song_id)


def taken_down(services: Services, song_id: str | None) -> Song:
    song = services.takedowns.take_down(song_id or "")
    services.flush()
    return song


def refused(services: Services, data: bytes, analysis: Analysis | None = None) -> Upload:
    """Sent by Berta, matched, and refused."""
    upload = matched(services, sent(services, "berta", data), analysis)
    assert (upload.state, upload.failure) == (UploadState.FAILED, TAKEN_DOWN)
    return upload


# --- what is left of it ---------------------------------------------------------------------------------------------


def test_nothing_of_the_sound_is_left_but_its_fingerprint(services: Services, song: Song) -> None:
    assert keys(services)
    gone = taken_down(services, song.id)
    assert (gone.state, gone.audio_key, gone.cover_key, gone.next_separation_id) == (SongState.TAKEN_DOWN, "", "", None)
    assert keys(services) == set()
    assert gone == song_of(services, song.id)
    assert gone.fingerprint == song.fingerprint
    assert services.fingerprints.candidates([song.fingerprint]) == [song.id]


def test_people_find_it_nowhere(services: Services, song: Song, upload: Upload) -> None:
    services.songs.add_to_library("carla", song.id)
    taken_down(services, song.id)
    for look in (services.songs.get, services.songs.count_play, services.songs.cover_file):
        with pytest.raises(NotFound):
            look(song.id)
    with pytest.raises(NotFound):
        services.songs.stem_file(song.id, "vocals", "mp3")
    with pytest.raises(NotFound):
        services.songs.edit("ana", song.id, Tags(title="It is back"))
    assert services.songs.browse(order="newest", limit=9) == []
    assert services.songs.library("carla", limit=9) == []
    assert services.uploads.view(now(services, upload)).song is None
    assert services.lookup.find([Fingerprint.from_bytes(song.fingerprint)]) is None


def test_its_last_event_says_that_it_was_removed(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    assert [event.type for event in published(services, "songs")] == ["song.separated", "song.removed"]


def test_the_fingerprint_index_keeps_it_when_it_is_made_anew(
    services: Services, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_down(services, song.id)
    services.fingerprints.remove(song.id)
    monkeypatch.setattr("demixer.cli.maintenance.load", lambda: services.settings)
    reindex(fingerprints=True)
    refused(services, b"mp3")


@pytest.mark.parametrize("state", [SongState.PENDING, SongState.ACTIVE, SongState.MERGED, SongState.WITHDRAWN])
def test_a_song_in_any_state_can_be_taken_down(services: Services, song: Song, state: SongState) -> None:
    services.catalogue.songs.save(replace(song, state=state))
    assert taken_down(services, song.id).state is SongState.TAKEN_DOWN


def test_a_song_that_is_not_there_is_not_found(services: Services) -> None:
    with pytest.raises(NotFound) as caught:
        services.takedowns.take_down("nothing")
    assert caught.value.code == "no-such-song"


def test_a_withdrawn_song_that_is_taken_down_cannot_come_back_either(services: Services, upload: Upload) -> None:
    services.uploads.cancel("ana", upload.id)
    withdraw(services, upload.id)
    assert song_of(services, upload.song_id).state is SongState.WITHDRAWN
    assert services.fingerprints.candidates([an_analysis().fingerprint]) == []
    taken_down(services, upload.song_id)
    assert services.fingerprints.candidates([an_analysis().fingerprint]) == [upload.song_id]
    refused(services, b"flac")
    refused(services, b"mp3")


def test_the_songs_merged_into_it_are_taken_down_too(services: Services, song: Song, tmp_path: Path) -> None:
    other = matched(services, sent(services, "berta", b"another"), an_analysis(2))
    separated(services, tmp_path / "other", other.song_id or "")
    services.merging.merge(other.song_id or "", song.id)
    taken_down(services, song.id)
    assert song_of(services, other.song_id).state is SongState.TAKEN_DOWN
    assert keys(services) == set()
    refused(services, b"another encoding of the other", an_analysis(2))


def test_a_song_that_was_merged_can_be_taken_down_alone(services: Services, song: Song, tmp_path: Path) -> None:
    other = matched(services, sent(services, "berta", b"another"), an_analysis(2))
    separated(services, tmp_path / "other", other.song_id or "")
    services.merging.merge(other.song_id or "", song.id)
    taken_down(services, other.song_id)
    assert song_of(services, song.id).state is SongState.ACTIVE
    assert services.songs.stem_file(song.id, "vocals", "mp3").separation.song_id == song.id
    with pytest.raises(NotFound):
        services.songs.get(other.song_id or "")


# --- while it is separated ------------------------------------------------------------------------------------------


def test_its_separation_is_cancelled_and_a_late_finish_leaves_no_files(
    services: Services, upload: Upload, tmp_path: Path
) -> None:
    separation = separation_of(services, song_of(services, upload.song_id).separation_id)
    begun = services.separations.begin(separation.id, 1, "CPU")
    assert begun is not None
    taken_down(services, upload.song_id)
    assert separation_of(services, separation.id).state is SeparationState.CANCELLED
    with pytest.raises(Cancelled):
        services.separations.finish(begun[0], stem_files(tmp_path / "stems"), STEMS, 0.9)
    assert keys(services) == set()
    assert services.uploads.view(now(services, upload)).status is Status.CANCELLED


def test_it_is_never_separated_again(services: Services, song: Song) -> None:
    gone = taken_down(services, song.id)
    with pytest.raises(Refused, match="file-gone"):
        services.separations.separate_again(gone, "htdemucs", lambda one, other: True)
    late = services.separations.request(song.id, "htdemucs")
    assert services.separations.begin(late.id, late.attempt, "CPU") is None


# --- it cannot come back --------------------------------------------------------------------------------------------


def test_the_same_bytes_are_refused_and_leave_nothing(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    upload = sent(services, "berta", b"flac")
    store_bytes(services.files, samples_key(upload.sha256), b"what the analyser has stored")
    match(services, fingerprinted(services, upload, an_analysis()))
    seen = services.uploads.view(now(services, upload))
    assert (seen.status, seen.failure, seen.can_retry, keys(services)) == (Status.FAILED, TAKEN_DOWN, False, set())
    of_it = [event.type for event in published(services, "uploads") if event.subject == upload.id]
    assert of_it == ["upload.received", "upload.rejected"]
    assert song_of(services, song.id).state is SongState.TAKEN_DOWN


def test_the_same_bytes_are_refused_whatever_was_measured_of_them(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    refused(services, b"flac", an_analysis(7))


def test_another_encoding_is_refused(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    refused(services, b"mp3")


def test_another_encoding_that_had_joined_it_is_refused_by_its_bytes(services: Services, song: Song) -> None:
    assert matched(services, sent(services, "berta", b"mp3")).song_id == song.id
    taken_down(services, song.id)
    refused(services, b"mp3", an_analysis(7))


def test_another_mix_is_refused_since_only_the_stems_could_tell_it_apart(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    mix = Comparison(song_id=song.id, verdict=MatchVerdict.MIX, missing_stems=("vocals",))
    refused(services, b"karaoke", replace(an_analysis(), comparisons=(mix,)))


def test_a_recording_with_little_information_is_refused_by_its_samples(services: Services, tmp_path: Path) -> None:
    """Its fingerprint says too little: the same samples in another container may have another one."""
    jingle = matched(services, sent(services, "ana", b"wav"), replace(an_analysis(5), sample_hash="5ad"))
    separated(services, tmp_path / "stems", jingle.song_id or "")
    taken_down(services, jingle.song_id)
    refused(services, b"flac", replace(an_analysis(6), sample_hash="5ad"))
    other = matched(services, sent(services, "berta", b"another"), replace(an_analysis(8), sample_hash="0ff"))
    assert other.state is UploadState.JOINED


def test_an_upload_that_waited_for_its_stems_is_refused(services: Services, upload: Upload) -> None:
    unsure = Comparison(song_id=upload.song_id or "", verdict=MatchVerdict.UNSURE)
    waiting = matched(services, sent(services, "berta", b"mp3"), replace(an_analysis(), comparisons=(unsure,)))
    assert waiting.waiting_for == upload.song_id
    taken_down(services, upload.song_id)
    services.matching.resume_waiting(upload.song_id or "")
    match(services, fingerprinted(services, now(services, waiting), an_analysis()))
    assert now(services, waiting).failure == TAKEN_DOWN
    assert keys(services) == set()


def test_other_recordings_are_none_of_its_business(services: Services, song: Song) -> None:
    taken_down(services, song.id)
    other = matched(services, sent(services, "berta", b"another"), an_analysis(2))
    assert other.state is UploadState.JOINED
    assert song_of(services, other.song_id).relations == ()


# --- again, and cut short -------------------------------------------------------------------------------------------


def test_taking_down_again_changes_nothing(services: Services, song: Song, clock: Clock) -> None:
    gone = taken_down(services, song.id)
    clock.advance(60)
    assert taken_down(services, song.id) == gone
    assert [event.type for event in published(services, "songs")] == ["song.separated", "song.removed"]


class Killed(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(3))
@pytest.mark.parametrize("step", ["songs.save", "fingerprints.add", "separations.save", "files.delete"])
def test_one_that_was_killed_anywhere_is_completed_by_the_next(
    services: Services, upload: Upload, monkeypatch: pytest.MonkeyPatch, step: str, call: int, after: bool
) -> None:
    owner, name = {
        "songs.save": (services.catalogue.songs, "save"),
        "fingerprints.add": (services.fingerprints, "add"),
        "separations.save": (services.catalogue.separations, "save"),
        "files.delete": (services.files, "delete"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, deadly(getattr(owner, name), call, after))
        with suppress(Killed):
            services.takedowns.take_down(upload.song_id or "")
    gone = taken_down(services, upload.song_id)
    assert (gone.state, gone.audio_key, gone.cover_key) == (SongState.TAKEN_DOWN, "", "")
    assert keys(services) == set()
    assert services.fingerprints.candidates([gone.fingerprint]) == [gone.id]
    assert separation_of(services, gone.separation_id).state is SeparationState.CANCELLED


def deadly(original: Callable[..., Any], call: int, after: bool) -> Callable[..., Any]:
    """Ends the process at its call number `call`, before or after it did its work."""
    calls = iter(range(100))

    def run(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == call
        if last and not after:
            raise Killed
        result = original(*args, **kwargs)
        if last:
            raise Killed
        return result

    return run
