import functools
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from demixer.adapters.common.hit_counts import keys_of
from demixer.adapters.sqlite import fingerprint_index, postings
from demixer.adapters.sqlite.database import Database
from demixer.adapters.sqlite.fingerprint_bulk_load import BulkLoad
from demixer.adapters.sqlite.fingerprint_index import SqliteFingerprints
from demixer.domain.errors import Transient
from demixer.recognition.decoding import decode_and_fingerprint
from demixer.recognition.fingerprint import Fingerprint, sample_keys
from tests.audio_samples import music, write
from tests.contract.fingerprints import FingerprintIndexContract, Opener, items, stored

HALF_HOP = 683 / 11_025  # seconds


class TestSqliteFingerprints(FingerprintIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path: Path) -> Opener:
        return functools.partial(SqliteFingerprints, tmp_path / "fingerprints.db")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteFingerprints]:
    with closing(SqliteFingerprints(tmp_path / "f.db")) as index:
        yield index


def test_keys_are_those_that_sampling_gives() -> None:
    assert keys_of(stored(items(1))).tolist() == sample_keys(Fingerprint(items(1), 1.0)).tolist()


def test_a_key_that_too_many_songs_share_is_ignored(index: SqliteFingerprints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "MAX_SONGS_PER_KEY", 3)
    for n in range(3):
        index.add(f"s{n}", stored(items(1)))
    assert index.candidates([stored(items(1))]) == ["s0", "s1", "s2"]
    for n in range(3, 6):
        index.add(f"s{n}", stored(items(1)))
    assert index.candidates([stored(items(1))]) == []
    assert bucket_sizes(index) == {4}
    index.rebuild((f"s{n}", stored(items(1))) for n in range(6))
    assert index.candidates([stored(items(1))]) == []
    assert bucket_sizes(index) == {4}


def test_a_bucket_does_not_grow_without_end(index: SqliteFingerprints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "MAX_PER_BUCKET", 2)
    for n in range(4):
        index.add(f"s{n}", stored(items(1)))
    assert bucket_sizes(index) == {2}
    index.rebuild((f"s{n}", stored(items(1))) for n in range(4))
    assert bucket_sizes(index) == {2}


@pytest.mark.parametrize("bound", ["MAX_HITS", "MAX_POSTINGS_READ"])
def test_hits_are_those_of_the_rarest_keys_where_there_are_too_many(
    index: SqliteFingerprints, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(postings, bound, 400)
    for n in range(9):
        index.add(f"common {n}", stored(items(1)))
    index.add("rare", stored(items(2)))
    assert index.candidates([stored(np.concatenate([items(1), items(2)]))])[0] == "rare"


@pytest.mark.thorough
def test_half_a_hop_apart_a_recording_is_found_by_its_second_variant(index: SqliteFingerprints, tmp_path: Path) -> None:
    def printed(start: float) -> bytes:
        path = write(tmp_path / f"{start}.wav", music(60), "-af", f"atrim=start={start}")
        return decode_and_fingerprint(path, max_minutes=2).fingerprint.to_bytes()

    index.add("song", printed(0))
    first, second = printed(HALF_HOP), printed(2 * HALF_HOP)
    shared = [len(np.intersect1d(keys_of(printed(0)), keys_of(phase))) for phase in (first, second)]
    assert shared[0] < shared[1] / 3
    assert index.candidates([first, second]) == ["song"]


def test_a_process_killed_while_it_adds_leaves_an_index_that_goes_on(tmp_path: Path) -> None:
    program = "import sys, pathlib; from tests.contract.test_sqlite_fingerprints import *; adding(sys.argv[1])"
    for killed in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "f.db")], stdout=subprocess.PIPE)
        assert process.stdout is not None
        added = [int(process.stdout.readline()) for _ in range(10 + killed)]
        process.send_signal(signal.SIGKILL)
        added += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        process.wait()
        process.stdout.close()
        with closing(SqliteFingerprints(tmp_path / "f.db")) as index:
            assert [index.candidates([stored(items(seed))]) for seed in added] == [[f"s{seed}"] for seed in added]
            assert index._database.rows("PRAGMA integrity_check")[0][0] == "ok"
            numbered = {row["number"] for row in index._database.rows("SELECT number FROM songs")}
            assert songs_in_buckets(index) == numbered


def adding(path: str) -> None:
    """What the killed process does: says each song that it has added."""
    index = SqliteFingerprints(Path(path))
    for seed in range(10_000):
        index.add(f"s{seed}", stored(items(seed)))
        sys.stdout.write(f"{seed}\n")
        sys.stdout.flush()


def test_an_index_of_the_first_schema_is_converted(tmp_path: Path) -> None:
    write_first_schema(tmp_path / "f.db")
    for _ in range(2):
        with closing(SqliteFingerprints(tmp_path / "f.db")) as index:
            assert [index.candidates([stored(items(seed))]) for seed in (1, 2, 3)] == [["s1"], ["s2"], ["s3"]]
    with closing(SqliteFingerprints(tmp_path / "f.db")) as index:
        index.remove("s2")
        index.add("s4", stored(items(4)))
        assert [index.candidates([stored(items(seed))]) for seed in (2, 4)] == [[], ["s4"]]


def test_converting_is_done_again_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_first_schema(tmp_path / "f.db")

    def killed(self: BulkLoad, connection: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BulkLoad, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            SqliteFingerprints(tmp_path / "f.db")
    with closing(SqliteFingerprints(tmp_path / "f.db")) as index:
        assert [index.candidates([stored(items(seed))]) for seed in (1, 2, 3)] == [["s1"], ["s2"], ["s3"]]


def test_of_two_rebuilds_at_once_the_second_to_end_has_to_start_again(index: SqliteFingerprints) -> None:
    def entries() -> Iterator[tuple[str, bytes]]:
        index.rebuild([("quick", stored(items(1)))])
        yield "slow", stored(items(2))

    with pytest.raises(Transient):
        index.rebuild(entries())
    assert [index.candidates([stored(items(seed))]) for seed in (1, 2)] == [["quick"], []]


def test_what_is_removed_leaves_no_posting(index: SqliteFingerprints) -> None:
    for seed in range(3):
        index.add(f"s{seed}", stored(items(seed)))
        index.add("all", stored(items(seed)))
    for name in ("s0", "s1", "s2", "all"):
        index.remove(name)
    assert songs_in_buckets(index) == set()


def write_first_schema(path: Path) -> None:
    database = Database(path, fingerprint_index.MIGRATIONS[:1], variable="CATALOGUE_URL")
    with database.write() as connection:
        for seed in (1, 2, 3):
            keys = keys_of(stored(items(seed)))
            connection.execute("INSERT INTO songs VALUES (?, ?, ?)", (seed, f"s{seed}", keys.astype("<u4").tobytes()))
            connection.executemany("INSERT INTO postings VALUES (?, ?)", [(int(key), seed) for key in keys])
    database.close()


def bucket_sizes(index: SqliteFingerprints) -> set[int]:
    """How many postings there are in the buckets of the keys of `items(1)`, which share none."""
    return {len(row["postings"]) // 4 for row in index._database.rows("SELECT postings FROM buckets")}


def songs_in_buckets(index: SqliteFingerprints) -> set[int]:
    rows = index._database.rows("SELECT postings FROM buckets")
    return {one % postings.MAX_SONGS for row in rows for one in np.frombuffer(row["postings"], "<u4").tolist()}
