"""What a recording is called, by its print: asked of AcoustID, whose names are those of MusicBrainz.

The print of the first two minutes and the duration are sent, and the key: no sound, no file name, nobody's name.
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

MOST_ITEMS = 948  # of 120 s, as AcoustID's own programs send them
SURE = 0.9  # of 1.0: how alike AcoustID says the prints are
NEAR = 7.0  # seconds between the durations: what AcoustID's own server allows
TIMEOUT = 3.0  # seconds to connect, and again between two pieces of the answer
META = ("recordings", "releasegroups", "sources", "compress")

log = logging.getLogger(__name__)

acoustid.set_base_url("https://api.acoustid.org/v2/")  # its default sends the key for everybody to read


def look_up(key: str, fingerprint: bytes) -> Tags | None:
    """`fingerprint` as `Fingerprint.to_bytes` gives it. At most three questions a second leave a process.

    Empty tags where AcoustID knows nothing that is sure; None where it gave no answer to use, which is logged: whatever
    a service out there does, nothing is raised.
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
        key, encode_fingerprint(heard.items[:MOST_ITEMS]), heard.duration, list(META), timeout=TIMEOUT
    )
    if answer["status"] != "ok":
        raise acoustid.WebServiceError(str(answer.get("error")))
    results: Sequence[Mapping[str, Any]] = answer["results"]
    return results


def _best(results: Sequence[Mapping[str, Any]], duration: float) -> Tags:
    """Of the likest print, what most people have called it. Some were handed in without names."""
    near = [
        (result["score"], recording.get("sources", 1), _tags(recording))
        for result in results
        if result["score"] >= SURE
        for recording in result.get("recordings", ())
        if abs((recording.get("duration") or math.inf) - duration) <= NEAR
    ]
    named = [one for one in near if one[2].artist and one[2].title]
    return max(named, key=lambda one: one[:2])[2] if named else Tags()


def _tags(recording: Mapping[str, Any]) -> Tags:
    artists = (artist["name"] + artist.get("joinphrase", "") for artist in recording.get("artists", ()))
    album: Mapping[str, Any] = min(recording.get("releasegroups", ()), key=_strangeness, default={})
    return Tags(
        artist=clean_text("".join(artists)),
        album=clean_text(album.get("title", "")),
        title=clean_text(recording.get("title", "")),
    )


def _strangeness(album: Mapping[str, Any]) -> tuple[bool, bool]:
    """Albums first, and what is also a compilation, a live record or the like last."""
    return bool(album.get("secondarytypes")), album.get("type") != "Album"
