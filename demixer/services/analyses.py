"""From a received file to what is measured of it: the work of the `fingerprint` consumer, as the catalogue knows it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from demixer.domain import Analysis, Failure, Upload, UploadState, events
from demixer.ports import Analyses, Files, Uploads
from demixer.services.unit_of_work import Decision, UnitOfWork


class UploadAnalyses:
    """The states of an upload from `received` to `fingerprinted`, and the analysis of its file."""

    def __init__(
        self,
        uploads: Uploads,
        analyses: Analyses,
        files: Files,
        work: UnitOfWork,
        clock: Callable[[], datetime],
    ) -> None:
        self._uploads, self._analyses, self._files = uploads, analyses, files
        self._work, self._clock = work, clock

    def begin(self, upload_id: str, attempt: int) -> Upload | None:
        """The upload to analyse, or None if that is no longer wanted."""
        upload = self.current(upload_id, attempt)
        if upload is None or upload.state not in (UploadState.RECEIVED, UploadState.FINGERPRINTING):
            return None

        def decide(current: Upload) -> Decision[Upload]:
            if not current.is_open or current.state is UploadState.FINGERPRINTING:
                return None
            return current.moved_to(UploadState.FINGERPRINTING, self._clock()), []

        begun = self._work.update(self._uploads, upload.id, decide)
        return begun if begun.state is UploadState.FINGERPRINTING else None

    def finish(self, upload: Upload, analysis: Analysis) -> None:
        """Keep the analysis, and tell the `match` consumer of it."""
        self._analyses.save(analysis)

        def decide(current: Upload) -> Decision[Upload]:
            if current.state is not UploadState.FINGERPRINTING or current.attempt != upload.attempt:
                return None
            now = self._clock()
            moved = current.moved_to(UploadState.FINGERPRINTED, now)
            return moved, [events.upload_fingerprinted(moved, now)]

        self._work.update(self._uploads, upload.id, decide)

    def reject(self, upload: Upload, failure: Failure, *, keep_file: bool) -> None:
        """The file cannot become a song. It is kept only where trying again can help."""

        def decide(current: Upload) -> Decision[Upload]:
            if not current.is_open or current.attempt != upload.attempt:
                return None
            now = self._clock()
            failed = replace(current.failed(failure, now), audio_key=current.audio_key if keep_file else "")
            return failed, [events.upload_rejected(failed, failure, now)]

        failed = self._work.update(self._uploads, upload.id, decide)
        if failed.state is UploadState.FAILED and not failed.audio_key and upload.audio_key:
            self._files.delete(upload.audio_key)

    def give_up(self, upload_id: str, attempt: int, failure: Failure) -> None:
        """The event of an open upload cannot be handled: the upload fails, so that nobody waits for ever."""
        upload = self.current(upload_id, attempt)
        if upload is not None:
            self.reject(upload, failure, keep_file=True)

    def current(self, upload_id: str, attempt: int) -> Upload | None:
        """The upload, None if the attempt is over."""
        upload = self._uploads.get(upload_id)
        return upload if upload and upload.attempt == attempt else None
