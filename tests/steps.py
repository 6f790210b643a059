"""What the consumers do with uploads and songs, one step a function, without audio."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from demixer.domain import Analysis, Comparison, Event, MatchVerdict, Separation, Song, Stem, Tags, Upload
from demixer.domain.errors import Transient
from demixer.ports import EventLog, Record
from demixer.recognition.fingerprint import Fingerprint
from demixer.wiring import Services, build_services
from schemas.events import SeparationRequested, UploadFingerprinted, UploadReceived
from tests.wired import MODEL, a_worker, published

STEMS = (Stem(name="vocals", peak=0.5), Stem(name="accompaniment", peak=0.7))


def sound(seed: int, seconds: float = 120) -> Fingerprint:
    """A fingerprint like that of music: items that stay for a moment. Different seeds are different recordings."""
    items = np.random.default_rng(seed).integers(0, 2**32, int(seconds * 8 / 3), dtype=np.uint32)
    return Fingerprint(np.repeat(items, 3), seconds)


def an_analysis(seed: int = 1, *, title: str = "Song", artist: str = "Somebody", cover: str = "") -> Analysis:
    """Of a recording of 120 s; `fingerprinted` gives it the id of a file. Different seeds are different recordings."""
    found = sound(seed)
    tags = Tags(title=title, artist=artist)
    return Analysis(id="", duration=found.duration, fingerprint=found.to_bytes(), tags=tags, cover_key=cover)


def sent(services: Services, person_id: str = "ana", data: bytes = b"a song", filename: str = "song.mp3") -> Upload:
    incoming = services.uploads.incoming()
    incoming.write(data)
    upload = services.uploads.receive(person_id, filename, incoming, Tags())
    services.flush()
    return upload


def fingerprinted(services: Services, upload: Upload, analysis: Analysis) -> Event:
    """As the `fingerprint` consumer does it. Returns the event that `match` will get."""
    begun = services.upload_analyses.begin(upload.id, upload.attempt)
    assert begun is not None
    comparisons = analysis.comparisons or same_by_fingerprint(services, analysis)
    services.upload_analyses.finish(begun, replace(analysis, id=upload.sha256, comparisons=comparisons))
    services.flush()
    return [event for event in published(services, "matching") if event.subject == upload.id][-1]


def same_by_fingerprint(services: Services, analysis: Analysis) -> tuple[Comparison, ...]:
    """As if the sound of all that are the same by their fingerprint was the same, too."""
    candidates = services.comparisons.candidates([analysis.fingerprint])
    return tuple(
        Comparison(song_id=song.id, verdict=MatchVerdict.SAME) for song, alike in candidates if alike.is_same_recording
    )


def match(services: Services, event: Event) -> None:
    """As the `match` consumer does it, and its loop."""
    assert isinstance(event.data, UploadFingerprinted)
    services.matching.match(event.data.upload_id, event.data.attempt)
    services.flush()


def matched(services: Services, upload: Upload, analysis: Analysis | None = None, model: str = MODEL) -> Upload:
    """Fingerprinted and matched: it has joined a song."""
    services.capabilities.report(a_worker(services.clock(), model))
    match(services, fingerprinted(services, upload, analysis or an_analysis()))
    return now(services, upload)


def withdraw(services: Services, upload_id: str) -> None:
    """As the `match` consumer does it for an upload that was cancelled or deleted, and its loop."""
    services.removals.withdraw(upload_id)
    services.flush()


def upload_event(event: Event) -> tuple[str, int]:
    """Which upload and attempt an `upload.received` is about."""
    assert isinstance(event.data, UploadReceived)
    return event.data.upload_id, event.data.attempt


def separation_event(event: Event) -> tuple[str, int]:
    """Which separation and attempt a `separation.requested` is about."""
    assert isinstance(event.data, SeparationRequested)
    return event.data.separation_id, event.data.attempt


def separated(services: Services, folder: Path, song_id: str) -> Separation:
    """The song's open separation brought to ready; its files hold the stem's name and nothing else."""
    song = song_of(services, song_id)
    separation = services.catalogue.separations.get(song.next_separation_id or song.separation_id or "")
    assert separation is not None
    begun = services.separations.begin(separation.id, separation.attempt, "CPU")
    assert begun is not None
    services.separations.finish(begun[0], stem_files(folder), STEMS, 0.9)
    services.flush()
    return separation_of(services, separation.id)


def stem_files(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem in STEMS:
        for extension in ("flac", "mp3", "json"):
            (folder / f"{stem.name}.{extension}").write_bytes(stem.name.encode())
    return folder


def now(services: Services, upload: Upload) -> Upload:
    found = services.catalogue.uploads.get(upload.id)
    assert found is not None
    return found


def song_of(services: Services, song_id: str | None) -> Song:
    found = services.catalogue.songs.get(song_id or "")
    assert found is not None
    return found


def separation_of(services: Services, separation_id: str | None) -> Separation:
    found = services.catalogue.separations.get(separation_id or "")
    assert found is not None
    return found


def bytes_of(services: Services, key: str) -> bytes:
    return b"".join(services.files.read(key))


class BusyLog:
    """Takes nothing just now."""

    def publish(self, records: Sequence[Record]) -> None:
        raise Transient


def without_log(services: Services) -> Services:
    """The same engines. What is saved through it stays in the outbox, as if its process was killed right after."""
    return build_services(replace(services.adapters, events=cast(EventLog, BusyLog())))


def keys(services: Services) -> set[str]:
    """Every file in the store."""
    return {
        key
        for prefix in ("uploads", "covers", "songs", "exports", "analyses")
        for key, _ in services.files.keys(prefix)
    }
