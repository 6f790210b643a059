"""From the analysis of a file to a song: the work of the `match` consumer.

Here and in `demixer.services.removals` uploads join and leave songs, in one ordered consumer: two who send the same new
song at once cost one separation, and a cancel cannot cross a join.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from demixer.audio import tags
from demixer.domain import (
    Analysis,
    Failure,
    MatchMethod,
    MatchVerdict,
    Relation,
    Song,
    SongState,
    Upload,
    UploadState,
    events,
    song_id_of,
)
from demixer.domain.uploads import FOR_A_WORKER
from demixer.ports import Catalogue, Files, FingerprintIndex
from demixer.recognition.thresholds import MAX_COMPARISONS, MAX_SOUND_COMPARISONS
from demixer.runtime import logs
from demixer.services.analyses import UploadAnalyses
from demixer.services.capabilities import Capabilities
from demixer.services.comparisons import Candidate, Comparisons
from demixer.services.file_analyser import samples_key
from demixer.services.relations import Relations, relation
from demixer.services.removals import Removals
from demixer.services.separations import SeparationQueue
from demixer.services.unit_of_work import Decision, UnitOfWork

MAX_ATTEMPTS = 6  # at one upload, while songs like it keep appearing; then it becomes a song of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchResult:
    """At most one of `song`, `compare_again`, `wait_for` and `taken_down` says something; otherwise it is a new song
    with `relations`."""

    song: Song | None = None  # the same recording in the same mix
    method: MatchMethod = MatchMethod.RECORDING  # how it was found
    compare_again: bool = False  # a song like it has appeared since it was compared
    wait_for: Song | None = None  # its stems will tell
    taken_down: bool = False  # the recording was removed from this server
    relations: tuple[Relation, ...] = ()


class Matching:
    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        fingerprints: FingerprintIndex,
        uploads: UploadAnalyses,
        comparisons: Comparisons,
        relations: Relations,
        separations: SeparationQueue,
        removals: Removals,
        capabilities: Capabilities,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._uploads, self._songs, self._analyses = catalogue.uploads, catalogue.songs, catalogue.analyses
        self._all_separations = catalogue.separations
        self._files, self._fingerprints = files, fingerprints
        self._upload_analyses, self._comparisons, self._relations = uploads, comparisons, relations
        self._separations, self._removals, self._capabilities = separations, removals, capabilities
        self._work, self._clock = work, clock

    def match(self, upload_id: str, attempt: int, embedded: Analysis | None = None) -> None:
        """Let the upload join the song it is a recording of, or make a new one and ask for its separation.

        `embedded`: the analysis, where the event itself carried it (version 1).
        """
        upload = self._upload_analyses.current(upload_id, attempt)
        if upload is None or not upload.is_open:
            return
        analysis = embedded or self._analyses.get(upload.sha256)
        if analysis is None:
            self.reanalyse(upload)
            return
        result = self.resolve_match(upload, analysis)
        if result.taken_down:
            self._upload_analyses.reject(upload, Failure("taken-down"), keep_file=False)
            self._files.delete(samples_key(upload.sha256))
        elif result.compare_again and upload.attempt < MAX_ATTEMPTS:
            self.reanalyse(upload)
        elif result.wait_for:
            self._wait(upload, result.wait_for.id)
        else:
            self._settle(upload, analysis, result)

    def resolve_match(self, upload: Upload, analysis: Analysis) -> MatchResult:
        """Takes milliseconds: by the bytes, by the samples where the fingerprint says too little, or by
        `analysis.comparisons`, checked against the songs that are similar now."""
        if song := self._songs.by_file(upload.sha256):
            return MatchResult(song=song, method=MatchMethod.FILE)
        if analysis.sample_hash and (song := self._songs.by_file(sample_key(analysis))):
            return MatchResult(song=song)
        candidates = self._comparisons.candidates([analysis.fingerprint, analysis.shifted_fingerprint])
        if self._is_taken_down(upload, analysis, candidates):
            return MatchResult(taken_down=True)
        alive = [one for one in candidates if one[0].state is not SongState.TAKEN_DOWN]
        return self._by_recording(analysis, alive[:MAX_COMPARISONS])

    def reanalyse(self, upload: Upload) -> None:
        """Compare the file once more with what is there now. Its analysis is kept: nothing is decoded again."""

        def decide(current: Upload) -> Decision[Upload]:
            if current.state is not UploadState.FINGERPRINTED or not current.audio_key:
                return None
            again = replace(current, attempt=current.attempt + 1, waiting_for=None)
            again = again.moved_to(UploadState.RECEIVED, self._clock())
            return again, [events.upload_received(again)]

        self._work.update(self._uploads, upload.id, decide)

    def resume_waiting(self, key: str) -> None:
        """What uploads waited for is there: the separation of the song with this id has ended, or a worker has said
        what it can do (`FOR_A_WORKER`)."""
        for upload in self._uploads.waiting_for(key):
            self.reanalyse(upload)

    def _by_recording(self, analysis: Analysis, candidates: Sequence[Candidate]) -> MatchResult:
        compared = {one.song_id: one for one in analysis.comparisons}
        known = [(song, compared[song.id]) for song, _ in candidates if song.id in compared]
        for song, one in known:
            if one.verdict is MatchVerdict.SAME:
                return MatchResult(song=song)
        if any(
            alike.is_same_recording and song.id not in compared for song, alike in candidates[:MAX_SOUND_COMPARISONS]
        ):
            return MatchResult(compare_again=True)
        for song, one in known:
            if one.verdict is MatchVerdict.UNSURE and self._is_being_separated(song):
                return MatchResult(wait_for=song)
        return MatchResult(relations=tuple(relation(one) for _, one in known))

    def _is_taken_down(self, upload: Upload, analysis: Analysis, candidates: Sequence[Candidate]) -> bool:
        known = [self._songs.get(song_id_of(upload.sha256)), self._songs.linked_song(upload.sha256)]
        if analysis.sample_hash:
            known.append(self._songs.linked_song(sample_key(analysis)))
        if any(song is not None and song.state is SongState.TAKEN_DOWN for song in known):
            return True
        return any(alike.is_same_recording and song.state is SongState.TAKEN_DOWN for song, alike in candidates)

    def _settle(self, upload: Upload, analysis: Analysis, result: MatchResult) -> None:
        """The song that this very upload made is its own, not a match. One that was merged is joined as itself: people
        see the song that is shown in its place, and undoing the merge takes its uploads along."""
        own = result.song is None or result.song.audio_key == upload.audio_key
        model = self._capabilities.model_for_new_songs()
        if model is None and not (result.song and self._is_separated(result.song)):
            self._wait(upload, FOR_A_WORKER)
            return
        if result.song:
            song = self._with_audio(result.song, upload)
        else:
            song = self._new_song(upload, analysis, result.relations)
        logs.note(song=song.id)
        self._separations.ensure(song, model or "")
        self._join(upload, song, analysis, None if own else result.method)

    def _wait(self, upload: Upload, key: str) -> None:
        def decide(current: Upload) -> Decision[Upload]:
            if not current.is_open or current.waiting_for == key:
                return None
            return replace(current, waiting_for=key, updated_at=self._clock()), []

        self._work.update(self._uploads, upload.id, decide)

    def _with_audio(self, song: Song, upload: Upload) -> Song:
        """A song whose file was lost takes the one that has come, so that it can be separated (again)."""
        if song.audio_key and self._files.size(song.audio_key) is not None:
            return song

        def decide(current: Song) -> Decision[Song]:
            if current.is_removed:
                return None
            return replace(current, audio_key=upload.audio_key, updated_at=self._clock()), []

        return self._work.update(self._songs, song.id, decide)

    def _new_song(self, upload: Upload, analysis: Analysis, relations: tuple[Relation, ...]) -> Song:
        """Where there is a tombstone, somebody brought the song before, and took it back."""
        song_id = song_id_of(upload.sha256)
        before, now = self._songs.get(song_id), self._clock()
        cover = analysis.cover_key
        song = Song(
            id=song_id,
            owner_id=upload.person_id,
            tags=upload.given_tags.over(tags.with_file_name(analysis.tags, upload.filename)),
            duration=analysis.duration,
            sha256=upload.sha256,
            fingerprint=analysis.fingerprint,
            audio_key=upload.audio_key,
            cover_key=cover if cover and self._files.size(cover) is not None else "",
            created_at=now,
            updated_at=now,
            relations=relations,
            version=before.version if before else 0,
        )
        self._fingerprints.add(song.id, analysis.fingerprint)  # first: a candidate without a song is passed over
        saved = self._work.save(self._songs, song)
        self._relations.link_back(saved)
        return saved

    def _join(self, upload: Upload, song: Song, analysis: Analysis, method: MatchMethod | None) -> None:
        def decide(current: Upload) -> Decision[Upload]:
            if not current.is_open:
                return None
            now = self._clock()
            joined = current.joined(song.id, method, now)
            joined = joined if song.audio_key == upload.audio_key else replace(joined, audio_key="")
            return joined, [events.song_matched(joined, now)] if method else []

        joined = self._work.update(self._uploads, upload.id, decide)
        if joined.state is not UploadState.JOINED:
            self._removals.remove_if_unwanted(song.id)
            return
        self._songs.link_file(upload.sha256, song.id)
        if analysis.sample_hash:
            self._songs.link_file(sample_key(analysis), song.id)
        self._files.delete(samples_key(upload.sha256))
        if not joined.audio_key:
            self._files.delete(upload.audio_key)

    def _is_being_separated(self, song: Song) -> bool:
        separation = self._all_separations.get(song.separation_id or "")
        return separation is not None and separation.is_open

    def _is_separated(self, song: Song) -> bool:
        return song.has_stems or self._is_being_separated(song)


def sample_key(analysis: Analysis) -> str:
    """Beside the hashes of files, for `Songs.by_file`."""
    return f"sound {analysis.sample_hash}"
