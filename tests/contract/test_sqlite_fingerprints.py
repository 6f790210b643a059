import functools
from pathlib import Path

import pytest

from demixer.backends import sqlite_fingerprints
from demixer.backends.sqlite_fingerprints import SqliteFingerprints
from tests.contract.fingerprints import FingerprintIndexContract, Opener, items, stored


class TestSqliteFingerprints(FingerprintIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path: Path) -> Opener:
        return functools.partial(SqliteFingerprints, tmp_path / "fingerprints.db")


def test_a_key_that_too_many_songs_share_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_fingerprints, "COMMON", 3)
    index = SqliteFingerprints(tmp_path / "f.db")
    for n in range(3):
        index.add(f"s{n}", stored(items(1)))
    assert index.candidates(stored(items(1))) == ["s0", "s1", "s2"]
    index.add("one too many", stored(items(1)))
    assert index.candidates(stored(items(1))) == []
    index.close()
