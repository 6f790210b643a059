"""Backing up and restoring as docs/operations.md says: a copy made while the service runs, and everything else lost."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from consumers.framework.consumer import Consumer
from demixer.cli import main
from demixer.domain import Failure, Separation, Status, Upload
from demixer.separation.separate import Made
from demixer.wiring import Services
from schemas.topics import all_topics
from tests import audio_samples, music
from tests.consumers import consumers_of
from tests.consumers.driving import drained, letters
from tests.consumers.test_replay import found, song_file
from tests.steps import STEMS, bytes_of, now, sent, separation_of, song_of, without_log
from tests.wired import MODEL, START, Clock, a_person, services_in

pytestmark = [pytest.mark.slow, pytest.mark.embedded]
DATABASES = ("catalogue.db", "accounts.db")
INDEX, LOG = "catalogue-fingerprints.db", "events.db"
SMOOTH = np.full(64, 1 / 64)  # below 700 Hz, about
MINUTES = 3  # until what was open is published again
Uploads = Mapping[str, Upload]  # by a name that says how far each has come
Run = Callable[..., tuple[int, str]]


class LowAndHigh:
    """A separation into what is low and what is high: sound, so that other files can be compared with it."""

    def separate(self, source: Path, folder: Path, model: str, **_: Callable[..., object]) -> Made:
        whole = music.decoded(source)
        low = np.stack([np.convolve(side, SMOOTH, mode="same") for side in whole]).astype(np.float32)
        for stem, sound in zip(STEMS, (low, whole - low), strict=True):
            audio_samples.write(folder / f"{stem.name}.flac", sound)
            for other in ("mp3", "json"):
                (folder / f"{stem.name}.{other}").write_bytes(b"")
        return Made(model=model, parameters=model, device="CPU", duration=9.0, gain=1.0, stems=STEMS)

    def close(self) -> None:
        pass


def everything(services: Services) -> Sequence[Consumer]:
    return consumers_of.everything(services, LowAndHigh())


def run_for(services: Services, clock: Clock, minutes: int = MINUTES) -> None:
    """Every consumer, and maintenance."""
    timer = consumers_of.maintenance(services, clock.monotonic)
    for _ in range(minutes * 4):
        timer._run_once()
        drained(services, clock, *everything(services))
        clock.advance(15)


def statuses(services: Services, uploads: Uploads) -> dict[str, Status]:
    return {name: services.uploads.view(now(services, upload)).status for name, upload in uploads.items()}


# --- the service that is lost -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Backup:
    """The clock goes on; `copy` is what is left. `uploads` are those that the copy of the catalogue knows."""

    clock: Clock
    copy: Path
    uploads: Uploads
    token: str
    long: Sequence[bytes]  # files of the song that was ready: another one than was sent, and the one of `twin`
    late: bytes  # of a song that came when the catalogue had been copied
    stem: bytes


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    folder, clock = tmp_path_factory.mktemp("lost"), Clock()
    with services_in(folder / "data", clock) as services:
        backup = backed_up(services, clock, folder)
    shutil.rmtree(folder / "data")
    return backup


def backed_up(services: Services, clock: Clock, folder: Path) -> Backup:
    """The catalogue was copied with an upload at every step, the files when all of those had been ready for a while."""
    a_person(services)
    token = services.accounts.create_token("ana@example.com", START)
    copy, uploads, late = folder / "copy", uploads_at_each_step(services, clock, folder), song_file(folder, 8)
    back_up(services, copy, *DATABASES, INDEX)
    sent(services, "zoe", late)
    run_for(services, clock)
    assert set(statuses(services, uploads).values()) == {Status.READY}
    assert now(services, uploads["twin"]).song_id == now(services, uploads["ready"]).song_id
    shutil.copytree(services.settings.data_dir / "files", copy / "files")
    back_up(services, copy, LOG)
    long, stem = [long_file(folder / f"long.{kind}") for kind in ("ogg", "mp3")], stem_of(services, uploads["ready"])
    return Backup(clock=clock, copy=copy, uploads=uploads, token=token, long=long, late=late, stem=stem)


def uploads_at_each_step(services: Services, clock: Clock, folder: Path) -> Uploads:
    """An upload that is ready, and one at each step on the way there; `twin` is another file of the one that is."""
    uploads = {"ready": sent(services, data=long_file(folder / "long.flac"))}
    drained(services, clock, *everything(services))
    for seed, name in enumerate(("running", "queued"), 2):
        uploads[name] = sent(services, data=song_file(folder, seed))
    drained(services, clock, *everything(services)[:2])
    assert services.separations.begin(separation(services, uploads["running"]).id, 1, "CPU", "gone-1")
    uploads["fingerprinted"] = sent(services, data=song_file(folder, 4))
    drained(services, clock, *everything(services)[:1])
    for seed, name in enumerate(("fingerprinting", "received"), 5):
        uploads[name] = sent(services, data=song_file(folder, seed))
    assert services.upload_analyses.begin(uploads["fingerprinting"].id, 1)
    uploads["twin"] = sent(services, data=long_file(folder / "long.mp3"))
    uploads["unpublished"] = sent(without_log(services), data=song_file(folder, 7))
    return uploads


def separation(services: Services, upload: Upload) -> Separation:
    return separation_of(services, song_of(services, now(services, upload).song_id).separation_id)


def stem_of(services: Services, upload: Upload) -> bytes:
    return bytes_of(services, f"{separation(services, upload).folder}/vocals.flac")


def long_file(path: Path) -> bytes:
    """Long enough that its sound is recognised in other formats."""
    sound = audio_samples.music(40.0, seed=1)
    return audio_samples.write(path, sound, "-metadata", "title=Long song").read_bytes()


def back_up(services: Services, copy: Path, *names: str) -> None:
    """`sqlite3 NAME ".backup COPY"`, of each, while the services are open."""
    copy.mkdir(exist_ok=True)
    for name in names:
        source, target = sqlite3.connect(services.settings.data_dir / name), sqlite3.connect(copy / name)
        with closing(source), closing(target):
            source.backup(target)


# --- the one that is restored -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`demixer` on the restored folder: exit code and output."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MODEL", MODEL)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main.run_command(arguments)
        return code, capsys.readouterr().out

    return run


def restore(backup: Backup, folder: Path, *left_out: str) -> None:
    shutil.copytree(backup.copy, folder / "data", ignore=shutil.ignore_patterns(*left_out))


@pytest.mark.parametrize("log", ["empty", "newer", "read from its beginning"])
def test_what_was_ready_is_there_and_what_was_open_ends(backup: Backup, run: Run, tmp_path: Path, log: str) -> None:
    restore(backup, tmp_path, *([LOG] if log == "empty" else []))
    assert run("topics", "create")[0] == 0
    assert run("reindex") == (0, "The search index holds 1 songs.\n")
    code, out = run("check")
    assert (code, "the newest song is found by its fingerprint" in out) == (0, True), out
    with services_in(tmp_path / "data", backup.clock) as services:
        assert_what_was_ready_is_there(services, backup)
        if log == "read from its beginning":
            drained(
                services, backup.clock, *(replace(each, name=f"{each.name}-again") for each in everything(services))
            )
        run_for(services, backup.clock)
        assert_what_was_open_has_ended(services, backup)
        assert_what_came_too_late_can_be_sent_again(services, backup)
        assert [letters(services, topic) for topic in all_topics()] == [[]] * len(all_topics())


def assert_what_was_ready_is_there(services: Services, backup: Backup) -> None:
    ana, ready = services.accounts.by_token(backup.token), backup.uploads["ready"]
    assert ana is not None
    assert ana.email == "ana@example.com"
    assert found(services, "long") == [now(services, ready).song_id]
    assert stem_of(services, ready) == backup.stem
    assert statuses(services, backup.uploads)["ready"] is Status.READY
    again = sent(services, "berta", backup.long[0])
    drained(services, backup.clock, *everything(services))
    assert services.uploads.view(now(services, again)).matched
    assert now(services, again).song_id == now(services, ready).song_id


def assert_what_was_open_has_ended(services: Services, backup: Backup) -> None:
    """The file of one was thrown away, for its song was here, before the files were copied."""
    assert statuses(services, backup.uploads) == {
        name: Status.FAILED if name == "twin" else Status.READY for name in backup.uploads
    }
    assert now(services, backup.uploads["twin"]).failure == Failure("file-gone")
    for name in backup.uploads.keys() - {"twin"}:
        assert stem_of(services, backup.uploads[name])


def assert_what_came_too_late_can_be_sent_again(services: Services, backup: Backup) -> None:
    assert services.catalogue.songs.by_file(hashlib.sha256(backup.late).hexdigest()) is None
    again = {"late": sent(services, "zoe", backup.late), "twin": sent(services, "ana", backup.long[1])}
    drained(services, backup.clock, *everything(services))
    assert statuses(services, again) == {"late": Status.READY, "twin": Status.READY}
    assert now(services, again["twin"]).song_id == now(services, backup.uploads["ready"]).song_id


def test_a_missing_fingerprint_index_is_reported_and_made_anew(backup: Backup, run: Run, tmp_path: Path) -> None:
    restore(backup, tmp_path, LOG, INDEX)
    code, out = run("check")
    assert (code, "demixer reindex --fingerprints" in out) == (1, True)
    assert run("reindex", "--fingerprints")[0] == 0
    assert run("check")[0] == 0
    with services_in(tmp_path / "data", backup.clock) as services:
        assert_what_was_ready_is_there(services, backup)
