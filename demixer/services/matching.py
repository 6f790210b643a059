"""From what was heard of a file to a song: the work of the `match` consumer.

Here and in `demixer.services.removals` uploads join and leave songs, in one ordered consumer: two who send the same
new song
at once cost one separation, and a cancel cannot cross a join.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from demixer.domain import Analysis, Event, MatchMethod, Song, Upload, UploadState, events, song_id_of
from demixer.runtime import logs
from demixer.services import analyses, relations, removals, separations
from demixer.services.optimistic import Decision, change
from demixer.services.relations import Found
from demixer.wiring import House

MOST_LOOKS = 6  # at one upload, while songs like it keep appearing; then it becomes a song of its own
DAY = timedelta(days=1)


def match(house: House, event: Event, model: Callable[[], str]) -> None:
    """Let the upload join the song it is a recording of, or make a new one and ask for its separation by `model()`."""
    upload = analyses.current(house, event)
    if upload is None or not upload.is_open:
        return
    heard = events.heard(event)
    found = _by_file(house, upload, heard) or relations.find(house, heard)
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
        if upload.waiting_for == song_id:
            look_again(house, upload)


def _by_file(house: House, upload: Upload, heard: Analysis) -> Found | None:
    """By the same bytes, or the same samples where the fingerprint would say too little."""
    if song := house.catalogue.songs.by_file(upload.sha256):
        return Found(song=song, match=MatchMethod.FILE)
    same_sound = house.catalogue.songs.by_file(sound_key(heard)) if heard.sample_hash else None
    return Found(song=same_sound) if same_sound else None


def _settle(house: House, upload: Upload, heard: Analysis, found: Found, model: Callable[[], str]) -> None:
    """The song that this very upload made is its own, not a match. One that was merged is joined as itself: people see
    the song that stands for it, and undoing the merge takes its uploads along."""
    own = found.song is None or found.song.audio_key == upload.audio_key
    song = _with_audio(house, found.song, upload) if found.song else _new_song(house, upload, heard, found)
    logs.note(song=song.id)
    separations.ensure(house, song, model)
    _join(house, upload, song, heard, None if own else found.match)


def _wait(house: House, upload: Upload, song: Song) -> None:
    def decide(current: Upload) -> Decision[Upload]:
        waits = current.is_open and current.waiting_for != song.id
        return (replace(current, waiting_for=song.id, updated_at=house.now()), []) if waits else None

    logs.note(song=song.id)
    change(house.catalogue.uploads, upload.id, decide)


def _to_be_heard(house: House, upload: Upload) -> Decision[Upload]:
    if upload.state is not UploadState.FINGERPRINTED or not upload.audio_key:
        return None
    again = replace(upload, state=UploadState.RECEIVED, attempt=upload.attempt + 1, waiting_for=None)
    again = replace(again, updated_at=house.now())
    return again, [events.upload_received(again)]


def sound_key(heard: Analysis) -> str:
    """Beside the hashes of files, for `Songs.by_file`."""
    return f"sound {heard.sample_hash}"


def _with_audio(house: House, song: Song, upload: Upload) -> Song:
    """A song whose file was lost takes the one that has come, so that it can be separated (again)."""
    if song.audio_key and house.files.size(song.audio_key) is not None:
        return song

    def decide(current: Song) -> Decision[Song]:
        return replace(current, audio_key=upload.audio_key, updated_at=house.now()), []

    return change(house.catalogue.songs, song.id, decide)


def _new_song(house: House, upload: Upload, heard: Analysis, found: Found) -> Song:
    song_id = song_id_of(upload.sha256)
    before = house.catalogue.songs.get(song_id)  # a tombstone: somebody brought it, and took it back
    now = house.now()
    song = Song(
        id=song_id,
        owner_id=upload.person_id,
        tags=heard.tags,
        duration=heard.duration,
        sha256=upload.sha256,
        fingerprint=heard.fingerprint,
        audio_key=upload.audio_key,
        cover_key=heard.cover_key,
        created_at=now,
        updated_at=now,
        relations=found.links,
        version=before.version if before else 0,
    )
    house.fingerprints.add(song.id, heard.fingerprint)  # first: a proposal without a song is passed over
    saved = house.catalogue.songs.save(song)
    relations.link_back(house, saved)
    return saved


def _join(house: House, upload: Upload, song: Song, heard: Analysis, reason: MatchMethod | None) -> None:
    def decide(current: Upload) -> Decision[Upload]:
        if not current.is_open:
            return None
        joined = current.joined(song.id, reason, house.now())
        joined = joined if song.audio_key == upload.audio_key else replace(joined, audio_key="")
        return joined, [events.song_matched(joined, house.now())] if reason else []

    joined = change(house.catalogue.uploads, upload.id, decide)
    if joined.state is not UploadState.JOINED:
        removals.unjoined(house, song)
        return
    house.catalogue.songs.link_file(upload.sha256, song.id)
    if heard.sample_hash:
        house.catalogue.songs.link_file(sound_key(heard), song.id)
    if not joined.audio_key:
        house.files.delete(upload.audio_key)
