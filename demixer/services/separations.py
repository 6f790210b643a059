"""The way of a separation, as the `separate` consumer reports it: begun, further, finished or failed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from demixer.domain import Event, Failure, Separation, SeparationState, Song, Stem, events, separation_id_of
from demixer.domain.errors import Cancelled, Conflict, Refused, Transient
from demixer.services import outbox
from demixer.services.optimistic import Decision, change
from demixer.services.storage import keep_file
from demixer.wiring import House


def request(house: House, song_id: str, model: str) -> Separation:
    """Ask for the separation of a song by `model`. Asking again asks once more only if it failed or was cancelled."""
    separation_id = separation_id_of(song_id, model)
    if house.catalogue.separations.get(separation_id) is not None:
        return request_again(house, separation_id)
    now = house.now()
    asked = Separation(id=separation_id, song_id=song_id, model=model, requested_at=now, updated_at=now)
    return house.catalogue.separations.save(asked, [events.separation_requested(asked)])


def request_again(house: House, separation_id: str) -> Separation:
    """Ask once more for a separation that failed or was cancelled. One that is under way or ready stays as it is."""

    def decide(separation: Separation) -> Decision[Separation]:
        if separation.state not in (SeparationState.FAILED, SeparationState.CANCELLED):
            return None
        asked = replace(
            separation,
            state=SeparationState.REQUESTED,
            attempt=separation.attempt + 1,
            progress=0.0,
            seconds_left=None,
            failure=None,
            requested_at=house.now(),
            updated_at=house.now(),
        )
        return asked, [events.separation_requested(asked)]

    return change(house.catalogue.separations, separation_id, decide)


def ensure(house: House, song: Song, model: Callable[[], str]) -> Separation:
    """A song has a separation that is ready or on its way. After one that ended without stems, `model()` tries."""
    before = house.catalogue.separations.get(song.separation_id or "")
    if before is not None and (before.is_open or before.state is SeparationState.READY):
        return before
    asked = request(house, song.id, model())

    def decide(current: Song) -> Decision[Song]:
        if current.separation_id != song.separation_id:
            return None  # a quick separation has set it already
        return replace(current, separation_id=asked.id, updated_at=house.now()), []

    change(house.catalogue.songs, song.id, decide)
    return asked


def begin(house: House, event: Event, device: str, runner: str = "") -> tuple[Separation, Song] | None:
    """What to separate for this `separation.requested`, now marked as running; None if that is no longer wanted.

    Whether somebody else is at work on it is for the caller to find out: one that is running begins anew.
    A separation that is ready already only makes sure that its song shows it: a process may have died in between.
    """
    separation = house.catalogue.separations.get(event.data["separation_id"])
    if separation is None or separation.attempt != event.data["attempt"]:
        return None
    song = _song_to_separate(house, separation)
    if song is None:
        return None
    if separation.state is SeparationState.READY:
        _show(house, separation)
        return None
    begun = change(house.catalogue.separations, separation.id, lambda current: _begun(house, current, device, runner))
    return (begun, song) if begun.state is SeparationState.RUNNING else None


def take(house: House, waiting: Separation, runner: str) -> tuple[Separation, Song] | None:
    """Begin one that waits in the queue, without its event. None if somebody was quicker."""
    song = _song_to_separate(house, waiting)
    decision = _begun(house, waiting, "", runner) if song else None
    if song is None or decision is None:
        return None
    try:
        return house.catalogue.separations.save(*decision), song
    except Conflict:
        return None


def progressed(
    house: House, separation_id: str, attempt: int, *, progress: float, seconds_left: float | None, device: str
) -> None:
    """Raises `Cancelled` when the separation is no longer wanted, or no longer ours. One put back is running again."""

    def decide(current: Separation) -> Decision[Separation]:
        _still_wanted(current, attempt)
        return replace(
            current,
            state=SeparationState.RUNNING,
            progress=progress,
            seconds_left=seconds_left,
            device=device,
            updated_at=house.now(),
        ), []

    _tell(house, change(house.catalogue.separations, separation_id, decide))


def put_back(house: House, separation: Separation) -> None:
    """Its run stopped: it waits at its old place in the queue until its event is delivered again, or somebody takes it.

    Nothing happens if another process has begun it meanwhile.
    """

    def decide(current: Separation) -> Decision[Separation]:
        same_run = (current.attempt, current.started_at) == (separation.attempt, separation.started_at)
        return _waiting(house, current) if same_run else None

    _tell_of_waiting(house, change(house.catalogue.separations, separation.id, decide))


def put_back_silent(house: House, seen: Separation) -> None:
    """Its process died: nothing was heard of it since `seen`. It waits again, and is announced again.

    A process that is alive after all loses nothing: its next report makes the separation running again.
    """

    def decide(current: Separation) -> Decision[Separation]:
        return _waiting(house, current) if current.version == seen.version else None

    waiting = change(house.catalogue.separations, seen.id, decide)
    _tell_of_waiting(house, waiting)
    if waiting.state is SeparationState.REQUESTED:
        announce_again(house, waiting)


def cancel(house: House, separation_id: str) -> Separation:
    """Nobody waits for it any more. One that is ready stays."""

    def decide(separation: Separation) -> Decision[Separation]:
        if separation.state in (SeparationState.READY, SeparationState.CANCELLED):
            return None
        return replace(separation, state=SeparationState.CANCELLED, seconds_left=None, updated_at=house.now()), []

    return change(house.catalogue.separations, separation_id, decide)


def wanted(house: House, separation_id: str, attempt: int) -> bool:
    separation = house.catalogue.separations.get(separation_id)
    return bool(separation and separation.is_open and separation.attempt == attempt)


def finish(house: House, separation: Separation, folder: Path, stems: Sequence[Stem], gain: float) -> None:
    """Keep the files of `folder` and show the stems. Safe to repeat. Raises `Cancelled` when nobody wants them now."""
    for path in sorted(folder.iterdir()):
        keep_file(house.files, f"{separation.folder}/{path.name}", path)

    def decide(current: Separation) -> Decision[Separation]:
        if current.state is SeparationState.READY:
            return None
        _still_wanted(current, separation.attempt)
        now = house.now()
        return replace(
            current,
            state=SeparationState.READY,
            progress=1.0,
            seconds_left=None,
            finished_at=now,
            updated_at=now,
            stems=tuple(stems),
            gain=gain,
        ), []

    try:
        ready = change(house.catalogue.separations, separation.id, decide)
    except Cancelled:
        _forget_files(house, separation)
        raise
    _show(house, ready)


def fail(house: House, separation: Separation, failure: Failure) -> None:
    def decide(current: Separation) -> Decision[Separation]:
        if not current.is_open or current.attempt != separation.attempt:
            return None
        now = house.now()
        failed = replace(current, state=SeparationState.FAILED, failure=failure, seconds_left=None, updated_at=now)
        return failed, [events.song_failed(failed, failure, now)]

    change(house.catalogue.separations, separation.id, decide)
    change(house.catalogue.songs, separation.song_id, lambda song: _without_next(house, song, separation.id))
    _forget_files(house, separation)


def give_up(house: House, event: Event, failure: Failure) -> None:
    """The event cannot be handled: its separation fails, so that nobody waits for ever."""
    separation = house.catalogue.separations.get(event.data["separation_id"])
    if separation is not None and separation.attempt == event.data["attempt"]:
        fail(house, separation, failure)


def announce_again(house: House, separation: Separation) -> None:
    """Its event was lost, or used up. Where it was not, the second one does no harm."""
    outbox.publish(house.events, [events.separation_requested(separation)])


def separate_again(house: House, song: Song, model: str, better: Callable[[str, str], bool]) -> Separation:
    """Ask for the stems of a better model. The song keeps its address, and its present stems until then.

    Raises `Refused("no-better-model")`, and `Refused("file-gone")` without the original file.
    """
    present = house.catalogue.separations.get(song.separation_id or "")
    if present is None or present.state is not SeparationState.READY or not better(model, present.model):
        raise Refused("no-better-model")
    if not song.audio_key or house.files.size(song.audio_key) is None:
        raise Refused("file-gone")
    asked = request(house, song.id, model)
    change(house.catalogue.songs, song.id, lambda current: _with_next(house, current, asked.id))
    if asked.state is SeparationState.READY:
        _show(house, asked)  # made earlier, for a request that was cut short before the song knew of it
    house.flush()
    return asked


def _song_to_separate(house: House, separation: Separation) -> Song | None:
    song = house.catalogue.songs.get(separation.song_id)
    if song is not None and song.is_removed:
        cancel(house, separation.id)
        return None
    return song


def _begun(house: House, separation: Separation, device: str, runner: str) -> Decision[Separation]:
    if not separation.is_open:
        return None
    now = house.now()
    begun = replace(separation, state=SeparationState.RUNNING, lease_owner=runner, device=device, progress=0.0)
    return replace(begun, started_at=now, updated_at=now), []


def _waiting(house: House, separation: Separation) -> Decision[Separation]:
    if separation.state is not SeparationState.RUNNING:
        return None
    waiting = replace(separation, state=SeparationState.REQUESTED, progress=0.0, seconds_left=None)
    return replace(waiting, updated_at=house.now()), []


def _tell_of_waiting(house: House, separation: Separation) -> None:
    if separation.state is SeparationState.REQUESTED:
        _tell(house, separation)


def _still_wanted(separation: Separation, attempt: int) -> None:
    """One put back to the queue is wanted still."""
    if not separation.is_open or separation.attempt != attempt:
        raise Cancelled


def _tell(house: House, separation: Separation) -> None:
    """The live pages. Progress may be lost; the next report is a second away."""
    with contextlib.suppress(Transient):
        outbox.publish(house.events, [events.separation_progressed(separation)])


def _show(house: House, separation: Separation) -> None:
    def decide(song: Song) -> Decision[Song]:
        first = not song.has_stems and song.separation_id in (separation.id, None)
        if song.is_removed or not (first or separation.id == song.next_separation_id):
            return None  # a replay: it is shown already, or something better took its place
        shown = replace(
            song, separation_id=separation.id, next_separation_id=None, state=SongState.ACTIVE, updated_at=house.now()
        )
        return shown, [events.song_separated(shown, separation)]

    change(house.catalogue.songs, separation.song_id, decide)


def _with_next(house: House, song: Song, separation_id: str) -> Decision[Song]:
    if song.separation_id == separation_id:
        return None
    return replace(song, next_separation_id=separation_id, updated_at=house.now()), []


def _without_next(house: House, song: Song, separation_id: str) -> Decision[Song]:
    if song.next_separation_id != separation_id:
        return None
    return replace(song, next_separation_id=None, updated_at=house.now()), []


def _forget_files(house: House, separation: Separation) -> None:
    """What a run that did not count has stored, unless a later attempt is at work in the same folder, or done.

    A store that is away keeps it: it was perhaps the reason of the failure, which must not fail in turn.
    """
    current = house.catalogue.separations.get(separation.id)
    if current and current.state in (SeparationState.FAILED, SeparationState.CANCELLED):
        with contextlib.suppress(Transient):
            house.files.delete(separation.folder)
