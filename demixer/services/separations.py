"""The separations of songs: requested, claimed by a worker, reported on, finished or failed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from demixer.domain import (
    Actor,
    Failure,
    Separation,
    SeparationState,
    Song,
    SongState,
    Stem,
    events,
    separation_id_of,
)
from demixer.domain.errors import Cancelled, Conflict, Refused, Transient
from demixer.ports import Catalogue, Files
from demixer.services.storage import store_file
from demixer.services.unit_of_work import Decision, UnitOfWork


class SeparationQueue:
    """Every change of a separation. The queue itself is the catalogue's separations in the state `requested`."""

    def __init__(self, catalogue: Catalogue, files: Files, work: UnitOfWork, clock: Callable[[], datetime]) -> None:
        self._songs, self._separations = catalogue.songs, catalogue.separations
        self._files, self._work, self._clock = files, work, clock

    # Requesting

    def request(self, song_id: str, model: str) -> Separation:
        """Ask for the separation of a song by `model`. Asking again asks once more only if it failed or was
        cancelled."""
        separation_id = separation_id_of(song_id, model)
        if self._separations.get(separation_id) is not None:
            return self.request_again(separation_id)
        now = self._clock()
        asked = Separation(id=separation_id, song_id=song_id, model=model, requested_at=now, updated_at=now)
        return self._work.save(self._separations, asked, [events.separation_requested(asked)])

    def request_again(self, separation_id: str) -> Separation:
        """Ask once more for a separation that failed or was cancelled. One under way or ready stays as it is."""

        def decide(separation: Separation) -> Decision[Separation]:
            if separation.state not in (SeparationState.FAILED, SeparationState.CANCELLED):
                return None
            now = self._clock()
            asked = replace(
                separation,
                state=SeparationState.REQUESTED,
                attempt=separation.attempt + 1,
                progress=0.0,
                seconds_left=None,
                failure=None,
                requested_at=now,
                updated_at=now,
            )
            return asked, [events.separation_requested(asked)]

        return self._work.update(self._separations, separation_id, decide)

    def ensure(self, song: Song, model: str) -> Separation:
        """A song has a separation that is ready or on its way. After one that ended without stems, `model` tries."""
        before = self._separations.get(song.separation_id or "")
        if before is not None and (before.is_open or before.state is SeparationState.READY):
            return before
        asked = self.request(song.id, model)

        def decide(current: Song) -> Decision[Song]:
            if current.separation_id != song.separation_id:
                return None  # a quick separation has set it already
            return replace(current, separation_id=asked.id, updated_at=self._clock()), []

        self._work.update(self._songs, song.id, decide)
        return asked

    def separate_again(self, song: Song, model: str, better: Callable[[str, str], bool]) -> Separation:
        """Ask for the stems of a better model. The song keeps its address, and its present stems until then.

        Raises `Refused("no-better-model")`, and `Refused("file-gone")` without the original file.
        """
        present = self._separations.get(song.separation_id or "")
        if present is None or present.state is not SeparationState.READY or not better(model, present.model):
            raise Refused("no-better-model")
        if not song.audio_key or self._files.size(song.audio_key) is None:
            raise Refused("file-gone")
        asked = self.request(song.id, model)

        def decide(current: Song) -> Decision[Song]:
            if current.separation_id == asked.id:
                return None
            return replace(current, next_separation_id=asked.id, updated_at=self._clock()), []

        self._work.update(self._songs, song.id, decide)
        if asked.state is SeparationState.READY:
            self._show(asked)  # made earlier, for a request that was cut short before the song knew of it
        return asked

    def republish(self, separation: Separation) -> None:
        """Its event was lost, or used up. Where it was not, the second one does no harm. Raises `Transient`."""
        self._work.publish([events.separation_requested(separation)])

    # Running

    def begin(
        self, separation_id: str, attempt: int, device: str, lease_owner: str = ""
    ) -> tuple[Separation, Song] | None:
        """What to separate, now marked as running; None if that is no longer wanted.

        Whether another worker is at work on it is for the caller to find out: one that is running begins anew.
        A separation that is ready already only makes sure that its song shows it: a process may have died in between.
        """
        separation = self._separations.get(separation_id)
        if separation is None or separation.attempt != attempt:
            return None
        song = self._song_to_separate(separation)
        if song is None:
            return None
        if separation.state is SeparationState.READY:
            self._show(separation)
            return None
        begun = self._work.update(
            self._separations, separation.id, lambda current: self._begun(current, device, lease_owner)
        )
        return (begun, song) if begun.state is SeparationState.RUNNING else None

    def claim(self, waiting: Separation, lease_owner: str) -> tuple[Separation, Song] | None:
        """Begin one that waits in the queue, without its event. None if another worker was quicker."""
        song = self._song_to_separate(waiting)
        decision = self._begun(waiting, "", lease_owner) if song else None
        if song is None or decision is None:
            return None
        try:
            return self._work.save(self._separations, *decision), song
        except Conflict:
            return None

    def report_progress(
        self, separation_id: str, attempt: int, *, progress: float, seconds_left: float | None, device: str
    ) -> None:
        """Raises `Cancelled` when the separation is no longer wanted, or no longer ours. A released one runs again."""

        def decide(current: Separation) -> Decision[Separation]:
            _require_wanted(current, attempt)
            return replace(
                current,
                state=SeparationState.RUNNING,
                progress=progress,
                seconds_left=seconds_left,
                device=device,
                updated_at=self._clock(),
            ), []

        self._publish_progress(self._work.update(self._separations, separation_id, decide))

    def release(self, separation: Separation) -> None:
        """Its run stopped: it waits at its old place in the queue until its event is delivered again, or a worker
        claims it. Nothing happens if another process has begun it meanwhile."""

        def decide(current: Separation) -> Decision[Separation]:
            same_run = (current.attempt, current.started_at) == (separation.attempt, separation.started_at)
            return self._waiting(current) if same_run else None

        released = self._work.update(self._separations, separation.id, decide)
        if released.state is SeparationState.REQUESTED:
            self._publish_progress(released)

    def reclaim_expired(self, seen: Separation) -> None:
        """Its process died: nothing was reported since `seen`. It waits again, and is published again.

        A process that is alive after all loses nothing: its next report makes the separation running again.
        """

        def decide(current: Separation) -> Decision[Separation]:
            return self._waiting(current) if current.version == seen.version else None

        waiting = self._work.update(self._separations, seen.id, decide)
        if waiting.state is SeparationState.REQUESTED:
            self._publish_progress(waiting)
            self.republish(waiting)

    def is_wanted(self, separation_id: str, attempt: int) -> bool:
        separation = self._separations.get(separation_id)
        return bool(separation and separation.is_open and separation.attempt == attempt)

    # Ending

    def finish(self, separation: Separation, folder: Path, stems: Sequence[Stem], gain: float) -> None:
        """Keep the files of `folder` and show the stems. Safe to repeat. Raises `Cancelled` when nobody wants them."""
        for path in sorted(folder.iterdir()):
            store_file(self._files, f"{separation.folder}/{path.name}", path)

        def decide(current: Separation) -> Decision[Separation]:
            if current.state is SeparationState.READY:
                return None
            _require_wanted(current, separation.attempt)
            now = self._clock()
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
            ready = self._work.update(self._separations, separation.id, decide)
        except Cancelled:
            self._delete_files(separation)
            raise
        self._show(ready)

    def fail(self, separation: Separation, failure: Failure) -> None:
        def decide(current: Separation) -> Decision[Separation]:
            if not current.is_open or current.attempt != separation.attempt:
                return None
            now = self._clock()
            failed = replace(current, state=SeparationState.FAILED, failure=failure, seconds_left=None, updated_at=now)
            return failed, [events.song_failed(failed, failure, now)]

        def forget(song: Song) -> Decision[Song]:
            if song.next_separation_id != separation.id:
                return None
            return replace(song, next_separation_id=None, updated_at=self._clock()), []

        self._work.update(self._separations, separation.id, decide)
        self._work.update(self._songs, separation.song_id, forget)
        self._delete_files(separation)

    def give_up(self, separation_id: str, attempt: int, failure: Failure) -> None:
        """The event cannot be handled: its separation fails, so that nobody waits for ever."""
        separation = self._separations.get(separation_id)
        if separation is not None and separation.attempt == attempt:
            self.fail(separation, failure)

    def cancel(self, separation_id: str) -> Separation:
        """Nobody waits for it any more. One that is ready stays."""

        def decide(separation: Separation) -> Decision[Separation]:
            if separation.state in (SeparationState.READY, SeparationState.CANCELLED):
                return None
            cancelled = replace(separation, state=SeparationState.CANCELLED, seconds_left=None)
            return replace(cancelled, updated_at=self._clock()), []

        return self._work.update(self._separations, separation_id, decide)

    def _song_to_separate(self, separation: Separation) -> Song | None:
        song = self._songs.get(separation.song_id)
        if song is not None and song.is_removed:
            self.cancel(separation.id)
            return None
        return song

    def _begun(self, separation: Separation, device: str, lease_owner: str) -> Decision[Separation]:
        if not separation.is_open:
            return None
        now = self._clock()
        begun = replace(separation, state=SeparationState.RUNNING, lease_owner=lease_owner, device=device)
        return replace(begun, progress=0.0, started_at=now, updated_at=now), []

    def _waiting(self, separation: Separation) -> Decision[Separation]:
        if separation.state is not SeparationState.RUNNING:
            return None
        waiting = replace(separation, state=SeparationState.REQUESTED, progress=0.0, seconds_left=None)
        return replace(waiting, updated_at=self._clock()), []

    def _publish_progress(self, separation: Separation) -> None:
        """To the live pages. Progress may be lost; the next report is a second away."""
        with contextlib.suppress(Transient):
            self._work.publish([events.separation_progressed(separation)])

    def _show(self, separation: Separation) -> None:
        def decide(song: Song) -> Decision[Song]:
            first = song.state is SongState.PENDING and song.separation_id in (separation.id, None)
            if song.is_removed or not (first or separation.id == song.next_separation_id):
                return None  # a replay: it is shown already, or something better took its place
            now = self._clock()
            shown = song.moved_to(SongState.ACTIVE, Actor.SYSTEM, now) if first else replace(song, updated_at=now)
            shown = replace(shown, separation_id=separation.id, next_separation_id=None)
            return shown, [events.song_separated(shown, separation)]

        self._work.update(self._songs, separation.song_id, decide)

    def _delete_files(self, separation: Separation) -> None:
        """What a run that did not count has stored, unless a later attempt is at work in the same folder, or done.

        A store that is away keeps it: it was perhaps the reason of the failure, which must not fail in turn.
        """
        current = self._separations.get(separation.id)
        if current and current.state in (SeparationState.FAILED, SeparationState.CANCELLED):
            with contextlib.suppress(Transient):
                self._files.delete(separation.folder)


def _require_wanted(separation: Separation, attempt: int) -> None:
    """A released one is wanted still. Raises `Cancelled`."""
    if not separation.is_open or separation.attempt != attempt:
        raise Cancelled
