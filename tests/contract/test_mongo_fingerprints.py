import functools
import threading

import pytest

from demixer.adapters.mongo import fingerprint_index
from demixer.adapters.mongo.fingerprint_index import MongoFingerprints
from demixer.domain.errors import Transient
from tests.contract.fingerprints import FingerprintIndexContract, Opener, items, stored
from tests.servers import Engine


class TestMongoFingerprints(FingerprintIndexContract):
    @pytest.fixture
    def open_index(self, mongodb: Engine) -> Opener:
        return functools.partial(MongoFingerprints, mongodb.fresh())


def test_a_key_that_too_many_songs_share_is_ignored(mongodb: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint_index, "MAX_SONGS_PER_KEY", 3)
    index = MongoFingerprints(mongodb.fresh())
    for n in range(3):
        index.add(f"s{n}", stored(items(1)))
    assert index.candidates([stored(items(1))]) == ["s0", "s1", "s2"]
    for n in range(3, 6):
        index.add(f"s{n}", stored(items(1)))
    assert index.candidates([stored(items(1))]) == []
    with index._database.collection(fingerprint_index.KEYS) as postings:
        assert {len(posting["songs"]) for posting in postings.find()} == {4}
    index.close()


def test_many_threads_add_songs_that_share_their_keys(mongodb: Engine) -> None:
    index = MongoFingerprints(mongodb.fresh())
    threads = [threading.Thread(target=index.add, args=(f"s{n}", stored(items(1)))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.candidates([stored(items(1))]) == [f"s{n}" for n in range(6)]
    index.close()


def test_adding_again_after_a_break_in_the_middle_leaves_nothing_double(
    mongodb: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = MongoFingerprints(mongodb.fresh())

    def broken(key: int, song_id: str) -> None:
        raise Transient(reason="killed")

    with monkeypatch.context() as patched:
        patched.setattr(fingerprint_index, "_posting", broken)
        with pytest.raises(Transient):
            index.add("song", stored(items(1)))
    assert index.candidates([stored(items(1))]) == []
    for _ in range(2):
        index.add("song", stored(items(1)))
    with index._database.collection(fingerprint_index.KEYS) as postings:
        assert {tuple(posting["songs"]) for posting in postings.find()} == {("song",)}
    index.close()
