"""A whole installation for `demixer migrate`: some of everything that may be stored, and its settings in a file."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from consumers.framework import dead_letters
from demixer.domain import Failure, Tags, Upload, events
from demixer.domain.errors import Refused
from demixer.ports import Message
from demixer.services.migration.comparing import NOTES
from demixer.services.storage import store_bytes
from demixer.wiring import Services
from tests.steps import an_analysis, matched, now, sent, separated, withdraw, without_log
from tests.wired import START, Clock, a_person, open_in

PASSWORD = "correct horse battery"
OPEN = b"a song that waits"


def furnish(folder: Path) -> dict[str, str]:
    """Two people, a song that is ready, one that waits, one withdrawn, one that failed, and an event that is still in
    the outbox.

    Returns a token of the first person and the ids of the uploads.
    """
    with closing(open_in(folder, Clock())) as services:
        ana, ben = a_person(services, "ana@example.com", PASSWORD), a_person(services, "ben@example.com", PASSWORD)
        token = services.accounts.create_token("ana@example.com", START)
        ready = _ready(services, ana.id, folder.parent)
        removed = matched(services, sent(services, ben.id, b"withdrawn"), an_analysis(2))
        services.uploads.delete(ben.id, removed.id)
        withdraw(services, removed.id)
        failed = sent(services, ben.id, b"no song", "Lied ß 🎵.mp3")
        _fail(services, failed)
        waiting = sent(services, ana.id, OPEN)
        pending = sent(without_log(services), ben.id, b"in the outbox")
        services.songs.add_to_library(ben.id, ready.song_id or "")
        _dead_letter(services)
        store_bytes(services.files, "songs/big/file.flac", bytes(range(256)) * 4096)
        return {"token": token, "ready": ready.id, "waiting": waiting.id, "pending": pending.id, "removed": removed.id}


def contents(services: Services) -> dict[str, Any]:
    """Every file of the store, but for the notes of `demixer migrate`."""
    names = [key for key, _ in services.files.keys("") if not key.startswith(NOTES)]
    return {key: b"".join(services.files.read(key)) for key in names}


def _ready(services: Services, person_id: str, folder: Path) -> Upload:
    upload = matched(
        services, sent(services, person_id, b"a ready song"), an_analysis(1, title="Canción", artist="Ñandú")
    )
    separated(services, folder / "stems", upload.song_id or "")
    for _ in range(3):
        services.songs.count_play(upload.song_id or "")
    services.songs.edit(person_id, upload.song_id or "", Tags(artist="Ñandú", title="Canción", year=1999))
    services.flush()
    return now(services, upload)


def _fail(services: Services, upload: Upload) -> None:
    failure = Failure("too-long", {"max_minutes": 20.5, "of": 3})
    failed = upload.failed(failure, services.clock())
    services.catalogue.uploads.save(
        replace(failed, matched_by=None), [events.upload_rejected(failed, failure, services.clock())]
    )
    services.flush()


def _dead_letter(services: Services) -> None:
    lost = Message(
        topic="uploads", key="k", value=b"\xffnonsense", headers={"a": "b"}, partition=2, offset=7, time=START
    )
    letter = dead_letters.record(lost, group="fingerprint", error=Refused("not-audio"), now=START)
    services.events.publish([letter])
