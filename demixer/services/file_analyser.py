"""What the `fingerprint` consumer measures of a file: one decode, tags and cover, and how it compares with songs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from demixer.audio import tags
from demixer.domain import Analysis, Comparison, Upload
from demixer.ports import Analyses, Files, Songs
from demixer.recognition import reference
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.reference import Pcm
from demixer.recognition.similarity import is_distinctive
from demixer.runtime.threads import in_thread
from demixer.services.comparisons import Comparisons
from demixer.services.storage import store_bytes


class FileAnalyser:
    """Measures a file once. One that was measured before is only compared again, without decoding it.

    `max_minutes`: of the longest song that is taken.
    """

    def __init__(
        self, analyses: Analyses, songs: Songs, files: Files, comparisons: Comparisons, *, max_minutes: float
    ) -> None:
        self._analyses, self._songs, self._files, self._comparisons = analyses, songs, files, comparisons
        self._max_minutes = max_minutes

    def analyse(self, upload: Upload) -> Analysis:
        """Raises `Refused` as `demixer.recognition.decoding.decode_and_fingerprint` does, and `NotFound` where the file
        is gone."""
        known, samples = self._analyses.get(upload.sha256), self._stored_samples(upload)
        if known is None or samples is None:
            with self._files.local(upload.audio_key) as path:
                known, samples = self._measured(upload, path)
        return replace(known, comparisons=tuple(self._compared(upload, known, samples)))

    def _measured(self, upload: Upload, path: Path) -> tuple[Analysis, Pcm]:
        reading = in_thread(partial(tags.read, path, ""), "tags")
        try:
            decoded = decode_and_fingerprint(path, max_minutes=self._max_minutes)
        finally:
            read = reading.result()  # it has the file open
        store_bytes(self._files, samples_key(upload.sha256), reference.encode_mono(decoded.samples))
        analysis = Analysis(
            id=upload.sha256,
            duration=decoded.duration,
            fingerprint=decoded.fingerprint.to_bytes(),
            shifted_fingerprint=decoded.shifted_fingerprint.to_bytes(),
            sample_hash="" if is_distinctive(decoded.fingerprint) else decoded.sample_hash,
            tags=read.tags,
            cover_key=self._store_cover(upload, read.cover),
            encoding=decoded.encoding,
        )
        return analysis, decoded.samples

    def _stored_samples(self, upload: Upload) -> Pcm | None:
        key = samples_key(upload.sha256)
        if self._files.size(key) is None:
            return None
        return reference.decode_mono(b"".join(self._files.read(key)))

    def _compared(self, upload: Upload, analysis: Analysis, samples: Pcm) -> Sequence[Comparison]:
        """The same bytes need no comparison."""
        if self._songs.by_file(upload.sha256):
            return ()
        return self._comparisons.compare([analysis.fingerprint, analysis.shifted_fingerprint], samples)

    def _store_cover(self, upload: Upload, jpeg: bytes | None) -> str:
        """Under a key that follows from the file, so that a second try overwrites the first."""
        if jpeg is None:
            return ""
        key = f"covers/{upload.sha256}.jpg"
        store_bytes(self._files, key, jpeg)
        return key


def samples_key(sha256: str) -> str:
    """Of the mono samples of a file that may have to be compared again, at `demixer.recognition.reference.RATE`."""
    return f"analyses/{sha256}.flac"
