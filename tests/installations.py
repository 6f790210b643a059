"""A whole installation for `demixer migrate`: some of everything that may be stored, and its settings in a file."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from consumers.framework import dead_letters
from demixer.domain import Failure, Tags, Upload, events
from demixer.domain.errors import Refused
from demixer.ports import Message
from demixer.services import removals, songs, uploads
from demixer.services.migration.comparing import NOTES
from demixer.services.storage import keep_bytes
from demixer.wiring import House
from tests.houses import START, Clock, a_person, open_in
from tests.ways import heard, matched, now, sent, separated, without_log

PASSWORD = "correct horse battery"
OPEN = b"a song that waits"


def furnish(folder: Path) -> dict[str, str]:
    """Two people, a song that is ready, one that waits, one taken back, one that failed, and what was not told yet.

    Returns a token of the first person and the ids of the uploads.
    """
    with closing(open_in(folder, Clock())) as house:
        ana, ben = a_person(house, "ana@example.com", PASSWORD), a_person(house, "ben@example.com", PASSWORD)
        token = house.accounts.create_token("ana@example.com", START)
        ready = _ready(house, ana.id, folder.parent)
        removed = matched(house, sent(house, ben.id, b"taken back"), heard(2))
        uploads.delete(house, ben.id, removed.id)
        removals.withdraw(house, events.upload_withdrawn(now(house, removed), START))
        failed = sent(house, ben.id, b"no song", "Lied ß 🎵.mp3")
        _fail(house, failed)
        waiting = sent(house, ana.id, OPEN)
        pending = sent(without_log(house), ben.id, b"in the outbox")
        songs.keep(house, ben.id, ready.song_id or "")
        _dead_letter(house)
        keep_bytes(house.files, "songs/big/file.flac", bytes(range(256)) * 4096)
        return {"token": token, "ready": ready.id, "waiting": waiting.id, "pending": pending.id, "removed": removed.id}


def contents(house: House) -> dict[str, Any]:
    """Every file of the store, but for the notes of `demixer migrate`."""
    names = [key for key, _ in house.files.keys("") if not key.startswith(NOTES)]
    return {key: b"".join(house.files.read(key)) for key in names}


def _ready(house: House, person_id: str, folder: Path) -> Upload:
    upload = matched(house, sent(house, person_id, b"a ready song"), heard(1, title="Canción", artist="Ñandú"))
    separated(house, folder / "stems", upload.song_id or "")
    for _ in range(3):
        songs.played(house, upload.song_id or "")
    songs.edit(house, person_id, upload.song_id or "", Tags(artist="Ñandú", title="Canción", year=1999))
    return now(house, upload)


def _fail(house: House, upload: Upload) -> None:
    failure = Failure("too-long", {"max_minutes": 20.5, "of": 3})
    failed = upload.failed(failure, house.now())
    house.catalogue.uploads.save(
        replace(failed, matched_by=None), [events.upload_rejected(failed, failure, house.now())]
    )
    house.flush()


def _dead_letter(house: House) -> None:
    lost = Message(
        topic="uploads", key="k", value=b"\xffnonsense", headers={"a": "b"}, partition=2, offset=7, time=START
    )
    letter = dead_letters.record(lost, group="fingerprint", error=Refused("not-audio"), now=START)
    house.events.publish([letter])
