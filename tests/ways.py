"""Uploads and songs brought along their way by the use cases, without audio: what the consumers would do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import numpy as np

from demixer.domain import Analysis, Comparison, Event, MatchVerdict, Separation, Song, Stem, Tags, Upload, events
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Record
from demixer.recognition.fingerprint import Fingerprint
from demixer.services import analyses, comparisons, matching, separations, uploads
from demixer.services.uploads import IncomingFile
from demixer.wiring import House
from tests.houses import published

MODEL = "spleeter-2stems"
STEMS = (Stem(name="vocals", peak=0.5), Stem(name="accompaniment", peak=0.7))


def sound(seed: int, seconds: float = 120) -> Fingerprint:
    """A fingerprint like that of music: items that stay for a moment. Different seeds are different recordings."""
    items = np.random.default_rng(seed).integers(0, 2**32, int(seconds * 8 / 3), dtype=np.uint32)
    return Fingerprint(np.repeat(items, 3), seconds)


def heard(seed: int = 1, *, title: str = "Song", artist: str = "Somebody", cover: str = "") -> Analysis:
    found = sound(seed)
    tags = Tags(title=title, artist=artist)
    return Analysis(duration=found.duration, fingerprint=found.to_bytes(), tags=tags, cover_key=cover)


def sent(house: House, person_id: str = "ana", data: bytes = b"a song", filename: str = "song.mp3") -> Upload:
    incoming = IncomingFile(house)
    incoming.write(data)
    return uploads.receive(house, person_id, filename, incoming, Tags())


def fingerprinted(house: House, upload: Upload, what: Analysis) -> Event:
    """As the `fingerprint` consumer does it. Returns the event that `match` will get."""
    begun = analyses.begin(house, events.upload_received(upload))
    assert begun is not None
    analyses.finish(house, begun, what if what.comparisons else replace(what, comparisons=alike(house, what)))
    house.flush()
    return [event for event in published(house, "matching") if event.subject == upload.id][-1]


def fingerprint_event(upload: Upload, what: Analysis, at: datetime) -> Event:
    return events.upload_fingerprinted(upload, what, at)


def alike(house: House, what: Analysis) -> tuple[Comparison, ...]:
    """As if the sound of all that are the same by their fingerprint was the same, too."""
    found = comparisons.alike(house, [what.fingerprint])
    return tuple(Comparison(song_id=song.id, verdict=MatchVerdict.SAME) for song, like in found if like.same)


def matched(house: House, upload: Upload, what: Analysis | None = None, model: str = MODEL) -> Upload:
    """Fingerprinted and matched: it has joined a song."""
    matching.match(house, fingerprinted(house, upload, what or heard()), lambda: model)
    house.flush()
    return now(house, upload)


def separated(house: House, folder: Path, song_id: str) -> Separation:
    """The song's open separation brought to ready; its files hold the stem's name and nothing else."""
    song = song_of(house, song_id)
    separation = house.catalogue.separations.get(song.next_separation_id or song.separation_id or "")
    assert separation is not None
    begun = separations.begin(house, events.separation_requested(separation), "CPU")
    assert begun is not None
    separations.finish(house, begun[0], stem_files(folder), STEMS, 0.9)
    house.flush()
    return separation_of(house, separation.id)


def stem_files(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem in STEMS:
        for extension in ("flac", "mp3", "json"):
            (folder / f"{stem.name}.{extension}").write_bytes(stem.name.encode())
    return folder


def now(house: House, upload: Upload) -> Upload:
    found = house.catalogue.uploads.get(upload.id)
    assert found is not None
    return found


def song_of(house: House, song_id: str | None) -> Song:
    found = house.catalogue.songs.get(song_id or "")
    assert found is not None
    return found


def separation_of(house: House, separation_id: str | None) -> Separation:
    found = house.catalogue.separations.get(separation_id or "")
    assert found is not None
    return found


def bytes_of(house: House, key: str) -> bytes:
    return b"".join(house.files.read(key))


class BusyLog:
    """Takes nothing just now."""

    def publish(self, records: Sequence[Record]) -> None:
        raise Transient


def without_log(house: House) -> House:
    """What is saved through it stays in the outbox, as if its process was killed right after saving."""
    return replace(house, events=cast(EventLog, BusyLog()))


def keys(house: House) -> set[str]:
    """Every file in the store."""
    return {key for prefix in ("uploads", "covers", "songs", "exports") for key, _ in house.files.keys(prefix)}
