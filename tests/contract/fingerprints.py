"""What every fingerprint index must do, whatever the engine. A subclass gives the fixture `open_index`."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from demixer.audio.fingerprint import SILENCE, Fingerprint, Items
from demixer.ports import FingerprintIndex

Opener = Callable[[], FingerprintIndex]  # opens the same index every time


def items(seed: int, count: int = 1900) -> Items:
    """As varied as those of a song of `count` / 8 seconds."""
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)


def stored(some: Items) -> bytes:
    return Fingerprint(some, len(some) * 0.1238).to_bytes()


def transcoded(some: Items, seed: int, kept: float) -> bytes:
    """The same recording, in which the share `kept` of the items came out equal in all bits."""
    random = np.random.default_rng(seed)
    return stored(np.where(random.random(len(some)) < kept, some, some ^ np.uint32(1)))


class FingerprintIndexContract:
    @pytest.fixture
    def open_index(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def index(self, open_index: Opener) -> Iterator[FingerprintIndex]:
        index = open_index()
        yield index
        index.close()

    def test_an_empty_index_proposes_nothing(self, index: FingerprintIndex) -> None:
        assert index.candidates(stored(items(1))) == []

    def test_it_proposes_the_same_recording_and_no_stranger(self, index: FingerprintIndex) -> None:
        for seed in range(20):
            index.add(f"s{seed}", stored(items(seed)))
        for seed in range(20):
            assert index.candidates(stored(items(seed))) == [f"s{seed}"]
        assert index.candidates(stored(items(99))) == []

    def test_it_proposes_transcodes_down_to_a_tenth_of_equal_items(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        for kept in (0.9, 0.5, 0.1):
            assert index.candidates(transcoded(items(1), 7, kept)) == ["song"]

    def test_it_proposes_a_recording_that_begins_elsewhere(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        silence = np.full(100, SILENCE, dtype=np.uint32)
        assert index.candidates(stored(items(1)[333:])) == ["song"]
        assert index.candidates(stored(np.concatenate([silence, items(1)]))) == ["song"]

    def test_the_likeliest_comes_first_and_the_limit_holds(self, index: FingerprintIndex) -> None:
        index.add("tenth", transcoded(items(1), 7, 0.1))
        index.add("all", stored(items(1)))
        index.add("half", transcoded(items(1), 8, 0.5))
        assert index.candidates(stored(items(1))) == ["all", "half", "tenth"]
        assert index.candidates(stored(items(1)), limit=2) == ["all", "half"]

    def test_one_shared_key_is_chance_in_a_long_song_and_enough_in_a_short_one(self, index: FingerprintIndex) -> None:
        short = items(1, 100)
        index.add("short", stored(short))
        assert index.candidates(stored(short)) == ["short"]
        assert index.candidates(stored(np.concatenate([items(2), _one_key_of(short)]))) == []
        assert index.candidates(stored(np.concatenate([items(3, 50), _one_key_of(short)]))) == ["short"]

    def test_silence_and_a_song_without_keys_propose_nothing(self, index: FingerprintIndex) -> None:
        silence = stored(np.full(1900, SILENCE, dtype=np.uint32))
        nothing = stored(np.array([], dtype=np.uint32))
        for name, fingerprint in (("silence", silence), ("nothing", nothing)):
            index.add(name, fingerprint)
        assert index.candidates(silence) == index.candidates(nothing) == []

    def test_adding_again_replaces(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        index.add("song", stored(items(1)))
        assert index.candidates(stored(items(1))) == ["song"]
        index.add("song", stored(items(2)))
        assert index.candidates(stored(items(1))) == []
        assert index.candidates(stored(items(2))) == ["song"]

    def test_what_was_removed_is_not_proposed(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        index.add("other", stored(items(1)))
        index.remove("song")
        index.remove("song")
        index.remove("unknown")
        assert index.candidates(stored(items(1))) == ["other"]

    def test_damaged_bytes_are_a_mistake_and_replace_nothing(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        with pytest.raises(ValueError, match="fingerprint"):
            index.add("song", b"damaged")
        with pytest.raises(ValueError, match="fingerprint"):
            index.candidates(b"damaged")
        assert index.candidates(stored(items(1))) == ["song"]

    def test_many_threads_add_and_look_up_at_once(self, index: FingerprintIndex) -> None:
        found: dict[int, list[str]] = {}

        def work(seed: int) -> None:
            index.add(f"s{seed}", stored(items(seed)))
            found[seed] = list(index.candidates(stored(items(seed))))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {seed: [f"s{seed}"] for seed in range(10)}

    def test_reopening_keeps_everything(self, index: FingerprintIndex, open_index: Opener) -> None:
        index.add("song", stored(items(1)))
        index.close()
        again = open_index()
        assert again.candidates(stored(items(1))) == ["song"]
        again.close()

    def test_close_may_be_called_twice(self, index: FingerprintIndex) -> None:
        index.close()
        index.close()


def _one_key_of(some: Items) -> Items:
    from demixer.audio.fingerprint import sample_keys

    return sample_keys(Fingerprint(some, 1.0))[:1]
