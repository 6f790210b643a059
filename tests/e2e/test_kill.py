"""kill -9 of every process at random moments, while people send songs: nothing is lost, nothing is done twice."""

import random
import re
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests import music, small_models
from tests.e2e.service import Service, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 24
UPLOADS = 10
SEED = 20261122


def test_every_upload_ends_ready_whatever_is_killed_whenever(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    running = _service(tmp_path)
    running.start()
    try:
        person = running.person("survivor@example.org")
        sent = [person.upload(song)["id"] for song in _songs(tmp_path)]
        for kill in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.8))  # the random moment is the point, nothing waits for it
            if kill % 8 == 7:
                running.kill()  # the supervisor itself: everything must go down with it, and come back
                running.output.clear()
                running.start()
            else:
                _kill_one(running, chance)
        ended = [person.ended(upload_id, seconds=240) for upload_id in sent]
        assert Counter(upload["status"] for upload in ended) == {"ready": UPLOADS}, ended
        assert len({upload["song_id"] for upload in ended}) == UPLOADS
        assert _separated_twice(running) == []
    finally:
        running.stop()


def _service(tmp_path: Path) -> Service:
    models = tmp_path / "models"
    models.mkdir()
    small_models.save(models, "htdemucs")
    return Service(tmp_path / "data", MODELS_DIR=str(models), MODEL="htdemucs", DEVICE="cpu")


def _songs(tmp_path: Path) -> list[Path]:
    return [
        music.clip(track, tmp_path / f"{number}.flac", start=5, seconds=20)
        for number, track in enumerate(music.tracks()[:UPLOADS])
    ]


def _kill_one(running: Service, chance: random.Random) -> None:
    def victims() -> list[psutil.Process]:
        return [child for child in running.children() if child.status() != psutil.STATUS_ZOMBIE]

    victim = chance.choice(wait_for("a process to kill", victims, seconds=30))
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return


def _separated_twice(running: Service) -> list[str]:
    """Songs that more than one run brought to `ready`, by the line that the consumer logs when it did."""
    done = Counter(
        match[1]
        for path in running.data_dir.glob("logs/*.log")
        for match in re.finditer(r"separated song=(\w+)", path.read_text())
    )
    return [song for song, times in done.items() if times > 1]
