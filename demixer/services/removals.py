"""Uploads leave, and what nobody waits for any more goes with them. Stems that exist stay."""

from dataclasses import replace

from demixer.domain import Event, SeparationState, Song, Upload, events, song_id_of
from demixer.services import separations
from demixer.services.optimistic import Decision, change
from demixer.wiring import House


def withdraw(house: House, event: Event) -> None:
    """An upload was cancelled or deleted: stop and remove what nobody waits for any more. Stems that exist stay."""
    upload = house.catalogue.uploads.get(event.subject)
    if upload is None or upload.is_open:
        return
    song = song_of(house, upload)
    if song is None:
        house.files.delete(upload.audio_key or f"uploads/{upload.id}")
    elif not song.has_stems and not song.is_removed and not _awaited(house, song):
        _remove_unfinished(house, song)


def unjoined(house: House, song: Song) -> None:
    """The upload was cancelled in the middle of joining: its song goes too if nobody else waits for it."""
    current = house.catalogue.songs.get(song.id)
    if current and not current.has_stems and not _awaited(house, current):
        _remove_unfinished(house, current)


def song_of(house: House, upload: Upload) -> Song | None:
    """The song it joined; or the one made of its file, where a killed process, or a cancel, came before the joining."""
    if upload.song_id:
        return house.catalogue.songs.get(upload.song_id)
    song = song_made_of(house, upload.sha256)
    return song if song and song.audio_key == f"uploads/{upload.id}" else None


def song_made_of(house: House, sha256: str) -> Song | None:
    """The song, not removed, that a file with these bytes brought."""
    song = house.catalogue.songs.get(song_id_of(sha256))
    return None if song is None or song.is_removed else song


def _awaited(house: House, song: Song) -> bool:
    return any(not upload.hidden for upload in house.catalogue.uploads.of_song(song.id))


def _remove_unfinished(house: House, song: Song) -> None:
    """The tombstone comes last: a process killed before does it all again."""
    stopped = [separations.cancel(house, each.id) for each in house.catalogue.separations.of_song(song.id)]
    if any(separation.state is SeparationState.READY for separation in stopped):
        return  # it was quicker: the stems are everybody's now

    def decide(current: Song) -> Decision[Song]:
        gone = replace(current, state=SongState.WITHDRAWN, audio_key="", cover_key="", updated_at=house.now())
        return gone, [events.song_removed(gone)]

    house.fingerprints.remove(song.id)
    for key in filter(None, (song.audio_key, song.cover_key, f"songs/{song.id}")):
        house.files.delete(key)
    change(house.catalogue.songs, song.id, decide)
