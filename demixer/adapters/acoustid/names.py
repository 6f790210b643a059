"""The artist, album and title of a recording, from AcoustID (https://acoustid.org/webservice) by its fingerprint.

The fingerprint of the first two minutes, the duration and our key are sent: no sound, no file name, nobody's name.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import acoustid

from demixer.audio.tags import clean_text
from demixer.domain import Tags
from demixer.recognition import similarity
from demixer.recognition.chromaprint_encoding import encode_fingerprint
from demixer.recognition.fingerprint import Fingerprint

MAX_ITEMS = 948  # of a fingerprint: 120 s, as AcoustID's own programs send them
MIN_SCORE = 0.9  # of 1.0: the similarity of the fingerprints, as AcoustID gives it
MAX_DURATION_DIFFERENCE = 7.0  # seconds; what AcoustID's own server allows
TIMEOUT = 3.0  # seconds to connect, and again between two pieces of the answer
META = ("recordings", "releasegroups", "sources", "compress")

log = logging.getLogger(__name__)

acoustid.set_base_url("https://api.acoustid.org/v2/")  # its default sends the key for everybody to read


def look_up(key: str, fingerprint: bytes) -> Tags | None:
    """`fingerprint` as `Fingerprint.to_bytes` gives it. A process sends at most three requests a second.

    Empty tags where AcoustID has no match that is good enough. None where it gave no usable answer, which is logged:
    nothing is raised, whatever the service does.
    """
    try:
        heard = Fingerprint.from_bytes(fingerprint)
        return _best(_asked(key, heard), heard.duration) if similarity.is_distinctive(heard) else Tags()
    except Exception as error:
        reason = clean_text(f"{type(error).__name__}: {error}".replace(key, "***"))
        log.warning("AcoustID gave no answer: %s", reason)
        return None


def _asked(key: str, heard: Fingerprint) -> Sequence[Mapping[str, Any]]:
    answer = acoustid.lookup(
        key, encode_fingerprint(heard.items[:MAX_ITEMS]), heard.duration, list(META), timeout=TIMEOUT
    )
    if answer["status"] != "ok":
        raise acoustid.WebServiceError(str(answer.get("error")))
    results: Sequence[Mapping[str, Any]] = answer["results"]
    return results


def _best(results: Sequence[Mapping[str, Any]], duration: float) -> Tags:
    """Of the best match with artist and title, the name that most sources give."""
    matches = [
        (result["score"], recording.get("sources", 1), _tags(recording))
        for result in results
        if result["score"] >= MIN_SCORE
        for recording in result.get("recordings", ())
        if abs((recording.get("duration") or math.inf) - duration) <= MAX_DURATION_DIFFERENCE
    ]
    named = [match for match in matches if match[2].artist and match[2].title]
    return max(named, key=lambda match: match[:2])[2] if named else Tags()


def _tags(recording: Mapping[str, Any]) -> Tags:
    artists = (artist["name"] + artist.get("joinphrase", "") for artist in recording.get("artists", ()))
    album: Mapping[str, Any] = min(recording.get("releasegroups", ()), key=_album_order, default={})
    return Tags(
        artist=clean_text("".join(artists)),
        album=clean_text(album.get("title", "")),
        title=clean_text(recording.get("title", "")),
    )


def _album_order(album: Mapping[str, Any]) -> tuple[bool, bool]:
    """Albums first; compilations, live records and the like last."""
    return bool(album.get("secondarytypes")), album.get("type") != "Album"
