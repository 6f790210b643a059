import os
import tempfile
from pathlib import Path

import pytest

from demixer.runtime import tempdirs


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_what_a_killed_process_left_goes_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    (tmp_path / f"{tempdirs.NAME}999999999-ab").mkdir()
    (tmp_path / f"{tempdirs.NAME}999999999-ab" / "sound").write_bytes(b"left")
    (tmp_path / "demixer-999999999-others").mkdir()
    with tempdirs.folder() as mine:
        tempdirs.clear()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, "demixer-999999999-others"])
        assert str(os.getpid()) in mine.name
    assert not mine.exists()
