"""From a received file to a song: the work of the `fingerprint` and `match` consumers.

Matching is the one place where uploads join and leave songs. It runs in one ordered consumer, so that two people who
send the same new song at once cost one separation, and a cancel cannot cross a join.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from demixer import facts, logs, merging, recordings, separations
from demixer.audio.fingerprint import Fingerprint
from demixer.change import Decision, change
from demixer.domain import (
    Comparison,
    Event,
    Failure,
    Finding,
    Heard,
    Match,
    SeparationState,
    Song,
    Tags,
    Upload,
    UploadState,
    song_id_of,
)
from demixer.errors import BadEvent
from demixer.house import House
from demixer.recordings import Found

MOST_LOOKS = 6  # at one upload, while songs like it keep appearing; then it becomes a song of its own
DAY = timedelta(days=1)


def begin_fingerprinting(house: House, event: Event) -> Upload | None:
    """The upload to fingerprint for this `upload.received`, or None if that is no longer wanted."""
    upload = _current(house, event)
    if upload is None or upload.state not in (UploadState.RECEIVED, UploadState.FINGERPRINTING):
        return None
    return _move(house, upload, UploadState.FINGERPRINTING)


def fingerprinted(house: House, upload: Upload, heard: Heard) -> None:
    """What a person typed beside the file wins over what the file says."""

    def decide(current: Upload) -> Decision[Upload]:
        if current.state is not UploadState.FINGERPRINTING or current.attempt != upload.attempt:
            return None
        moved = current.moved_to(UploadState.FINGERPRINTED, house.now())
        told = replace(heard, tags=current.given.over(heard.tags))
        return moved, [facts.upload_fingerprinted(moved, told, house.now())]

    change(house.catalogue.uploads, upload.id, decide)


def reject(house: House, upload: Upload, failure: Failure, *, keep_file: bool) -> None:
    """The file cannot become a song. It is kept only where trying again can help."""

    def decide(current: Upload) -> Decision[Upload]:
        if not current.open or current.attempt != upload.attempt:
            return None
        failed = replace(current.failed(failure, house.now()), audio=current.audio if keep_file else "")
        return failed, [facts.upload_rejected(failed, failure, house.now())]

    failed = change(house.catalogue.uploads, upload.id, decide)
    if failed.state is UploadState.FAILED and not failed.audio and upload.audio:
        house.files.delete(upload.audio)


def give_up(house: House, event: Event, failure: Failure) -> None:
    """The event of an open upload cannot be handled: the upload fails, so that nobody waits for ever."""
    upload = _current(house, event)
    if upload is not None:
        reject(house, upload, failure, keep_file=True)


def match(house: House, event: Event, model: Callable[[], str]) -> None:
    """Let the upload join the song it is a recording of, or make a new one and ask for its separation by `model()`."""
    upload = _current(house, event)
    if upload is None or not upload.open:
        return
    heard = _heard(event)
    found = _by_file(house, upload, heard) or recordings.find(house, heard)
    if found.look_again and upload.attempt < MOST_LOOKS:
        look_again(house, upload)
    elif found.wait_for:
        _wait(house, upload, found.wait_for)
    else:
        _settle(house, upload, heard, found, model)


def look_again(house: House, upload: Upload) -> None:
    """Compare it once more with what is there now. Its event said all that was heard, so the file is heard again."""
    change(house.catalogue.uploads, upload.id, lambda current: _to_be_heard(house, current))
    house.flush()


def go_on(house: House, song_id: str) -> None:
    """The separation of the song has ended: whoever waits for its stems is compared with them."""
    for upload in house.catalogue.uploads.in_state([UploadState.FINGERPRINTED], updated_before=house.now() + DAY):
        if upload.waits_for == song_id:
            look_again(house, upload)


def leave(house: House, event: Event) -> None:
    """An upload was cancelled or deleted: stop and remove what nobody waits for any more. Stems that exist stay."""
    upload = house.catalogue.uploads.get(event.subject)
    if upload is None or upload.open:
        return
    song = song_of(house, upload)
    if song is None:
        house.files.delete(upload.audio or f"uploads/{upload.id}")
    elif not song.listed and not song.removed and not _awaited(house, song):
        _remove_unfinished(house, song)


def song_of(house: House, upload: Upload) -> Song | None:
    """The song it joined; or the one made of its file, where a killed process, or a cancel, came before the joining."""
    if upload.song_id:
        return house.catalogue.songs.get(upload.song_id)
    song = song_made_of(house, upload.sha256)
    return song if song and song.audio == f"uploads/{upload.id}" else None


def song_made_of(house: House, sha256: str) -> Song | None:
    """The song, not removed, that a file with these bytes brought."""
    song = house.catalogue.songs.get(song_id_of(sha256))
    return None if song is None or song.removed else song


def _awaited(house: House, song: Song) -> bool:
    return any(not upload.hidden for upload in house.catalogue.uploads.of_song(song.id))


def _remove_unfinished(house: House, song: Song) -> None:
    """The tombstone comes last: a process killed before does it all again."""
    stopped = [separations.cancel(house, each.id) for each in house.catalogue.separations.of_song(song.id)]
    if any(separation.state is SeparationState.READY for separation in stopped):
        return  # it was quicker: the stems are everybody's now

    def decide(current: Song) -> Decision[Song]:
        gone = replace(current, removed=True, audio="", cover="", updated_at=house.now())
        return gone, [facts.song_removed(gone)]

    house.fingerprints.remove(song.id)
    for key in filter(None, (song.audio, song.cover, f"songs/{song.id}")):
        house.files.delete(key)
    change(house.catalogue.songs, song.id, decide)


def _current(house: House, event: Event) -> Upload | None:
    upload = house.catalogue.uploads.get(event.subject)
    return upload if upload and upload.attempt == event.data["attempt"] else None


def _move(house: House, upload: Upload, state: UploadState) -> Upload | None:
    """None if it was cancelled meanwhile."""

    def decide(current: Upload) -> Decision[Upload]:
        return (current.moved_to(state, house.now()), []) if current.open and current.state is not state else None

    moved = change(house.catalogue.uploads, upload.id, decide)
    return moved if moved.state is state else None


def _heard(event: Event) -> Heard:
    """Whatever an event of before does not say is empty."""
    data = event.data
    try:
        fingerprint, shifted = (base64.b64decode(data.get(name, "")) for name in ("fingerprint", "shifted"))
        for one in filter(None, (fingerprint, shifted)):
            Fingerprint.from_bytes(one)
    except ValueError as error:
        raise BadEvent(type=event.type, reason=f"fingerprint: {error}") from error
    return Heard(
        duration=data["duration"],
        fingerprint=fingerprint,
        shifted=shifted,
        sound_sha256=data.get("sound_sha256", ""),
        compared=tuple(_comparison(one) for one in data.get("compared", ())),
        tags=Tags(**{name: data["tags"][name] for name in ("artist", "album", "title", "year")}),
        cover=data["cover"],
    )


def _comparison(data: Mapping[str, Any]) -> Comparison:
    without = tuple(data.get("without", ()))
    finding = Finding(data["finding"])
    return Comparison(song_id=data["song_id"], finding=finding, offset=data.get("offset", 0.0), without=without)


def _by_file(house: House, upload: Upload, heard: Heard) -> Found | None:
    """By the same bytes, or the same samples where the fingerprint would say too little."""
    if song := house.catalogue.songs.by_file(upload.sha256):
        return Found(song=song, match=Match.FILE)
    same_sound = house.catalogue.songs.by_file(sound_key(heard)) if heard.sound_sha256 else None
    return Found(song=same_sound) if same_sound else None


def _settle(house: House, upload: Upload, heard: Heard, found: Found, model: Callable[[], str]) -> None:
    """The song that this very upload made is its own, not a match."""
    known = merging.standing(house, found.song) if found.song else None
    own = known is None or known.audio == upload.audio
    song = _with_audio(house, known, upload) if known else _new_song(house, upload, heard, found)
    logs.note(song=song.id)
    separations.ensure(house, song, model)
    _join(house, upload, song, heard, None if own else found.match)


def _wait(house: House, upload: Upload, song: Song) -> None:
    def decide(current: Upload) -> Decision[Upload]:
        waits = current.open and current.waits_for != song.id
        return (replace(current, waits_for=song.id, updated_at=house.now()), []) if waits else None

    logs.note(song=song.id)
    change(house.catalogue.uploads, upload.id, decide)


def _to_be_heard(house: House, upload: Upload) -> Decision[Upload]:
    if upload.state is not UploadState.FINGERPRINTED or not upload.audio:
        return None
    again = replace(upload, state=UploadState.RECEIVED, attempt=upload.attempt + 1, waits_for=None)
    again = replace(again, updated_at=house.now())
    return again, [facts.upload_received(again)]


def sound_key(heard: Heard) -> str:
    """Beside the hashes of files, for `Songs.by_file`."""
    return f"sound {heard.sound_sha256}"


def _with_audio(house: House, song: Song, upload: Upload) -> Song:
    """A song whose file was lost takes the one that has come, so that it can be separated (again)."""
    if song.audio and house.files.size(song.audio) is not None:
        return song

    def decide(current: Song) -> Decision[Song]:
        return replace(current, audio=upload.audio, updated_at=house.now()), []

    return change(house.catalogue.songs, song.id, decide)


def _new_song(house: House, upload: Upload, heard: Heard, found: Found) -> Song:
    song_id = song_id_of(upload.sha256)
    before = house.catalogue.songs.get(song_id)  # a tombstone: somebody brought it, and took it back
    now = house.now()
    song = Song(
        id=song_id,
        brought_by=upload.person_id,
        tags=heard.tags,
        duration=heard.duration,
        sha256=upload.sha256,
        fingerprint=heard.fingerprint,
        audio=upload.audio,
        cover=heard.cover,
        created_at=now,
        updated_at=now,
        links=found.links,
        version=before.version if before else 0,
    )
    house.fingerprints.add(song.id, heard.fingerprint)  # first: a proposal without a song is passed over
    saved = house.catalogue.songs.save(song)
    recordings.link_back(house, saved)
    return saved


def _join(house: House, upload: Upload, song: Song, heard: Heard, reason: Match | None) -> None:
    def decide(current: Upload) -> Decision[Upload]:
        if not current.open:
            return None
        joined = current.joined(song.id, reason, house.now())
        joined = joined if song.audio == upload.audio else replace(joined, audio="")
        return joined, [facts.song_matched(joined, house.now())] if reason else []

    joined = change(house.catalogue.uploads, upload.id, decide)
    if joined.state is not UploadState.JOINED:
        _leave_unjoined(house, song)
        return
    house.catalogue.songs.remember_file(upload.sha256, song.id)
    if heard.sound_sha256:
        house.catalogue.songs.remember_file(sound_key(heard), song.id)
    if not joined.audio:
        house.files.delete(upload.audio)


def _leave_unjoined(house: House, song: Song) -> None:
    """The upload was cancelled in the middle of joining: its song goes too if nobody else waits for it."""
    current = house.catalogue.songs.get(song.id)
    if current and not current.listed and not _awaited(house, current):
        _remove_unfinished(house, current)
