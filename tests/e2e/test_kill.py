"""kill -9 of every process at random moments, while people send songs: nothing is lost, nothing is done twice."""

import random
import re
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest

from tests import music, small_models
from tests.e2e.service import Client, Service, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 24  # while uploads are on their way
UPLOADS = 10
SECONDS = 45  # of each song: long enough that the work outlasts the kills
SEED = 20261122

# What tells the processes apart: their command lines. The worker that holds the model is a child of "consume separate".
ROLES = {
    "fingerprint": r"consume fingerprint",
    "match": r"consume match",
    "separate": r"consume separate",
    "worker": r"demixer\.separation\.child",
    "index and maintenance": r"consume index maintenance",
    "web": r"demixer\.cli\.main web",
    "supervisor": "",
}


def test_every_upload_ends_ready_whatever_is_killed_whenever(tmp_path: Path) -> None:
    chance, killed = random.Random(SEED), Counter[str]()
    running = _service(tmp_path)
    running.start()
    try:
        person = running.person("survivor@example.org")
        sent = [person.upload(song)["id"] for song in _songs(tmp_path)]
        for role in islice(cycle(ROLES), KILLS):
            time.sleep(chance.uniform(0.05, 1.0))  # the random moment is the point: nothing waits for it
            _kill(running, role, chance)
            killed[role] += 1
        assert not _all_ended(person, sent), f"the last of {KILLS} kills came after the work was done"
        ended = [person.ended(upload_id, seconds=400) for upload_id in sent]
        assert Counter(upload["status"] for upload in ended) == {"ready": UPLOADS}, ended
        assert len({upload["song_id"] for upload in ended}) == UPLOADS
        assert set(killed) == set(ROLES)
        assert max(_times_separated(running).values()) == 1
    finally:
        running.stop()


def _service(tmp_path: Path) -> Service:
    small_models.save(tmp_path / "models", "htdemucs")
    return Service(tmp_path / "data", MODELS_DIR=str(tmp_path / "models"), MODEL="htdemucs", DEVICE="cpu")


def _songs(tmp_path: Path) -> list[Path]:
    long_enough = [track for track in music.tracks() if music.decoded(track).shape[1] > SECONDS * music.SAMPLE_RATE]
    return [music.clip(track, tmp_path / f"{track.stem}.flac", 0, SECONDS) for track in long_enough[:UPLOADS]]


def _kill(running: Service, role: str, chance: random.Random) -> None:
    """`kill -9`, as soon as there is such a process: it may be starting again from the last time."""
    if role == "supervisor":
        _kill_all(running)
        return
    victims = wait_for(f"a process that is {role}", lambda: _of_role(running, role), seconds=60)
    try:
        chance.choice(victims).kill()
    except psutil.NoSuchProcess:
        return


def _kill_all(running: Service) -> None:
    """The supervisor goes, everything must go down with it, and somebody starts it again."""
    family = running.children()
    running.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    running.output.clear()
    running.start()


def _of_role(running: Service, role: str) -> list[psutil.Process]:
    return [child for child in running.children() if re.search(ROLES[role], _command(child))]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _all_ended(person: Client, sent: list[str]) -> bool:
    return all(person.see(upload_id)["status"] == "ready" for upload_id in sent)


def _times_separated(running: Service) -> Counter[str]:
    """How often each song was brought to `ready`, by the line that the consumer logs just after.

    A kill in between, or a look in between, finds a song without its line.
    """
    logs = "\n".join(path.read_text() for path in running.data_dir.glob("logs/separate.log*"))
    return Counter(re.findall(r"separated by .* song=(\w+)", logs))
