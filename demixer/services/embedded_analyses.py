"""The analysis that an event of version 1 carried itself, as the catalogue would keep it."""

import base64

from demixer.domain import Analysis, Comparison, MatchVerdict, Tags
from demixer.recognition.fingerprint import Fingerprint
from schemas.errors import BadEvent
from schemas.events import UploadFingerprintedV1


def analysis_of(data: UploadFingerprintedV1) -> Analysis:
    """Without an id: the event did not say of which bytes it is. Raises `BadEvent` for a fingerprint that is none."""
    try:
        fingerprint, shifted = (base64.b64decode(text) for text in (data.fingerprint, data.shifted))
        for one in filter(None, (fingerprint, shifted)):
            Fingerprint.from_bytes(one)
    except ValueError as error:
        raise BadEvent(f"fingerprint: {error}") from error
    comparisons = [
        Comparison(
            song_id=one.song_id,
            verdict=MatchVerdict(one.finding),
            offset=one.offset,
            missing_stems=one.without,
        )
        for one in data.compared
    ]
    return Analysis(
        id="",
        duration=data.duration,
        fingerprint=fingerprint,
        shifted_fingerprint=shifted,
        sample_hash=data.sound_sha256,
        comparisons=tuple(comparisons),
        tags=Tags(artist=data.tags.artist, album=data.tags.album, title=data.tags.title, year=data.tags.year),
        cover_key=data.cover,
    )
