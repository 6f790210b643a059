"""Data outlives code: installations that earlier commits wrote are opened, shown, and brought to their end."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson import json_util
from pymongo import MongoClient
from soundfile import write

from consumers.framework import dead_letters
from demixer.domain import SongState, Stem
from demixer.recognition import reference
from demixer.recognition.reference import RATE
from demixer.separation.separate import Made
from demixer.separation.worker import Progress
from demixer.wiring import Services
from tests.consumers import consumers_of
from tests.consumers.driving import drained
from tests.servers import Engine
from tests.wired import Clock, open_in

pytestmark = pytest.mark.own_servers

INSTALLATION = Path(__file__).parents[1] / "fixtures/installations/31c51d9"
EXPECTED: Mapping[str, Any] = json.loads((INSTALLATION / "expected.json").read_text())
AFTERWARDS: Mapping[str, Any] = EXPECTED["afterwards"]
LATER = timedelta(hours=1)  # the service starts again
ROUNDS, STEP = 16, 15.0  # seconds of the clock: what was open is published again within a minute or two
STEMS = {"spleeter-2stems": ("vocals", "accompaniment"), "htdemucs": ("drums", "bass", "other", "vocals")}
SMOOTH = np.full(8, 1 / 8)


class LowAndHigh:
    """Makes stems as long as the song: what is low, what is high, and silence. Their sum is the song."""

    def separate(
        self,
        source: Path,
        folder: Path,
        model: str,
        *,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> Made:
        whole = reference.as_float(reference.decode_file(source)) * 2
        low = np.convolve(whole, SMOOTH, mode="same")
        on_progress(Progress(0.5, 3.0, model, "CPU"))
        for name, samples in zip(STEMS[model], (low, whole - low, 0 * low, 0 * low), strict=False):
            write(folder / f"{name}.flac", samples.astype(np.float32), RATE, subtype="PCM_16")
            (folder / f"{name}.mp3").write_bytes(name.encode())
            (folder / f"{name}.json").write_text("{}")
        stems = tuple(Stem(name=name, peak=0.5) for name in STEMS[model])
        return Made(model=model, parameters=model, device="CPU", duration=len(whole) / RATE, gain=1.0, stems=stems)

    def close(self) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.fromisoformat(EXPECTED["now"]) + LATER)


@pytest.fixture(params=["embedded", "mongodb"])
def services(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Services]:
    """The installation, opened by the code of today."""
    urls: dict[str, Any] = {}
    archive = "data-dir.tar.xz"
    if request.param == "mongodb":
        mongodb: Engine = request.getfixturevalue("mongodb")
        url = mongodb.fresh()
        restore(url)
        urls, archive = {"catalogue_url": url, "accounts_url": url}, "data-dir-of-mongodb.tar.xz"
    with tarfile.open(INSTALLATION / archive) as tar:
        tar.extractall(tmp_path / "data", filter="data")
    opened = open_in(tmp_path / "data", clock, **urls)
    yield opened
    opened.close()


def restore(url: str) -> None:
    found = json_util.loads(gzip.decompress((INSTALLATION / "mongodb.json.gz").read_bytes()))
    with MongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        for name, collection in found.items():
            for index in collection["indexes"]:
                keys = [(field, int(direction)) for field, direction in index["keys"]]
                database[name].create_index(keys, **index["options"])
            if collection["documents"]:
                database[name].insert_many(collection["documents"])


def test_everything_in_it_is_there(services: Services) -> None:
    check_people(services)
    check_uploads(services, EXPECTED)
    check_songs(services, EXPECTED)
    check_lists(services, EXPECTED)
    check_files(services)
    assert {event.id for event in services.catalogue.outbox.pending()} == {one["id"] for one in EXPECTED["outbox"]}
    waiting = dead_letters.waiting(services.events)
    assert [letter.id for letter in waiting] == [one["id"] for one in EXPECTED["dead_letters"]["waiting"]]
    for group, lag in EXPECTED["log"]["lag"].items():
        assert services.events.lag(group) == lag


def test_it_goes_on_where_it_stopped(services: Services, clock: Clock) -> None:
    timer = consumers_of.maintenance(services, clock.monotonic)
    for _ in range(ROUNDS):
        timer._run_once()
        for consumer in (
            consumers_of.fingerprint(services),
            consumers_of.match(services),
            consumers_of.separate(services, LowAndHigh()),
            consumers_of.names(services),
            consumers_of.index(services),
        ):
            drained(services, clock, consumer)
        clock.advance(STEP)
    check_uploads(services, AFTERWARDS)
    check_songs(services, AFTERWARDS)
    check_lists(services, AFTERWARDS)
    assert services.catalogue.outbox.pending() == []
    assert len(dead_letters.waiting(services.events)) == len(AFTERWARDS["dead_letters"]["waiting"])
    for group, lag in AFTERWARDS["log"]["lag"].items():
        assert services.events.lag(group) == lag


def check_people(services: Services) -> None:
    for known in EXPECTED["people"].values():
        person = services.accounts.authenticate(known["email"], known["password"])
        assert person is not None
        assert (person.id, person.name) == (known["id"], known["name"])
        for token in known["tokens"]:
            owner = services.accounts.by_token(token)
            assert owner is not None
            assert owner.id == known["id"]
        assert not any(map(services.accounts.by_token, known["revoked_tokens"]))


def check_uploads(services: Services, expected: Mapping[str, Any]) -> None:
    """As it was stored, and as it is shown."""
    ids = {name: song["id"] for name, song in expected["songs"].items()}
    for name, known in expected["uploads"].items():
        upload = services.catalogue.uploads.get(known["id"])
        assert upload is not None, name
        assert (upload.filename, upload.size, upload.sha256) == (known["filename"], known["size"], known["sha256"])
        assert (upload.state, upload.hidden, upload.song_id) == (known["state"], known["hidden"], known["song_id"]), (
            name
        )
        assert (upload.matched_by, upload.audio_key) == (known["match"], known["audio"]), name
        view, shows = services.uploads.view(upload), known["shows"]
        assert (view.status, view.progress) == (shows["status"], shows["progress"]), name
        assert (view.song and view.song.id) == (shows["song"] and ids[shows["song"]]), name
        assert (view.can_cancel, view.can_retry) == (shows["can_cancel"], shows["can_retry"]), name
        assert view.queue_position == shows["place"], name


def check_songs(services: Services, expected: Mapping[str, Any]) -> None:
    for name, known in expected["songs"].items():
        song = services.catalogue.songs.get(known["id"])
        assert song is not None, name
        assert (song.tags.artist, song.tags.title) == (known["tags"]["artist"], known["tags"]["title"]), name
        assert (song.owner_id, song.plays) == (owner_of(known), known["plays"]), name
        assert song.state is state_of(known), name
        assert (song.merged_into, list(song.merged_ids)) == (known["merged_into"], known["merged"]), name
        assert song.separation_id == known["separation_id"], name
        assert song.next_separation_id == known["next_separation_id"], name
        assert hashlib.sha256(song.fingerprint).hexdigest() == known["fingerprint_sha256"], name
        related = [(one.song_id, one.type, list(one.missing_stems), one.lacks_stems) for one in song.relations]
        assert related == [(one["song_id"], one["kinship"], one["without"], one["less"]) for one in known["links"]], (
            name
        )
    for known in expected["separations"]:
        separation = services.catalogue.separations.get(known["id"])
        assert separation is not None
        assert (separation.state, separation.attempt) == (known["state"], known["attempt"]), known["song"]
        assert [stem.name for stem in separation.stems] == [stem["name"] for stem in known["stems"]]


def owner_of(known: Mapping[str, Any]) -> str:
    owner: str = EXPECTED["people"][known["brought_by"]]["id"]
    return owner


def state_of(known: Mapping[str, Any]) -> SongState:
    if known["removed"]:
        return SongState.WITHDRAWN
    if known["merged_into"]:
        return SongState.MERGED
    return SongState.ACTIVE if known["listed"] else SongState.PENDING


def check_lists(services: Services, expected: Mapping[str, Any]) -> None:
    names = {song["id"]: name for name, song in expected["songs"].items()}
    for person, kept in expected["library_pages"].items():
        songs = services.songs.library(EXPECTED["people"][person]["id"], limit=50)
        assert [names[song.id] for song in songs] == kept, person
    for order, listed in expected["listed"].items():
        songs = services.songs.browse(order=order, limit=50)
        new = {name for name in listed if name not in EXPECTED["songs"] or name not in EXPECTED["listed"][order]}
        found = [names[song.id] for song in songs]
        assert [name for name in found if name not in new] == [name for name in listed if name not in new], order
        assert set(found) == set(listed), f"{order}: in which order waiting uploads become songs is not promised"
    for query, hits in expected["search"].items():
        page = services.search.search(query, limit=50)
        assert [names[song.id] for song in page.songs] == hits, query


def check_files(services: Services) -> None:
    for key, known in EXPECTED["files"].items():
        assert services.files.size(key) == known["size"], key
        assert hashlib.sha256(b"".join(services.files.read(key))).hexdigest() == known["sha256"], key
