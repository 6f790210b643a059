"""What every fingerprint index must do, whatever the engine. A subclass gives the fixture `open_index`."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from demixer.adapters.common.hit_counts import MAX_KEYS, keys_of
from demixer.ports import FingerprintIndex
from demixer.recognition.fingerprint import SILENCE, Fingerprint, Items

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
        assert index.candidates([stored(items(1))]) == []

    def test_it_proposes_the_same_recording_and_no_stranger(self, index: FingerprintIndex) -> None:
        for seed in range(20):
            index.add(f"s{seed}", stored(items(seed)))
        for seed in range(20):
            assert index.candidates([stored(items(seed))]) == [f"s{seed}"]
        assert index.candidates([stored(items(99))]) == []

    def test_it_proposes_transcodes_down_to_a_tenth_of_equal_items(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        for kept in (0.9, 0.5, 0.1):
            assert index.candidates([transcoded(items(1), 7, kept)]) == ["song"]

    def test_it_proposes_a_recording_that_begins_elsewhere(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        silence = np.full(100, SILENCE, dtype=np.uint32)
        assert index.candidates([stored(items(1)[333:])]) == ["song"]
        assert index.candidates([stored(np.concatenate([silence, items(1)]))]) == ["song"]

    def test_the_best_match_comes_first_and_the_limit_holds(self, index: FingerprintIndex) -> None:
        index.add("tenth", transcoded(items(1), 7, 0.1))
        index.add("all", stored(items(1)))
        index.add("half", transcoded(items(1), 8, 0.5))
        assert index.candidates([stored(items(1))]) == ["all", "half", "tenth"]
        assert index.candidates([stored(items(1))], limit=2) == ["all", "half"]

    def test_one_shared_key_is_chance_in_a_long_song_and_enough_in_a_short_one(self, index: FingerprintIndex) -> None:
        short = items(1, 100)
        index.add("short", stored(short))
        assert index.candidates([stored(short)]) == ["short"]
        assert index.candidates([stored(np.concatenate([items(2), _one_key_of(short)]))]) == []
        assert index.candidates([stored(np.concatenate([items(3, 30), _one_key_of(short)]))]) == ["short"]

    def test_of_two_variants_the_better_one_counts(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        index.add("other", stored(np.concatenate([items(1)[:900], items(2)])))
        shifted, straight = transcoded(items(1), 7, 0.01), transcoded(items(1), 8, 0.9)
        assert index.candidates([shifted]) == []
        assert index.candidates([shifted, straight]) == index.candidates([straight, shifted]) == ["song", "other"]
        assert index.candidates([shifted, straight], limit=1) == ["song"]

    def test_hits_of_two_variants_are_not_added_up(self, index: FingerprintIndex) -> None:
        index.add("half in each", stored(np.concatenate([items(1)[:500], items(2)[:500]])))
        index.add("more in one", stored(items(1)[:700]))
        assert index.candidates([stored(items(1)), stored(items(2))]) == ["more in one", "half in each"]
        assert index.candidates([]) == []

    def test_a_fingerprint_of_many_hours_costs_as_much_as_one_of_half_an_hour(self, index: FingerprintIndex) -> None:
        hours = items(1, 200_000)
        assert len(keys_of(stored(hours))) == MAX_KEYS
        index.add("hours", stored(hours))
        assert index.candidates([transcoded(hours, 7, 0.5)]) == ["hours"]

    def test_silence_and_a_song_without_keys_propose_nothing(self, index: FingerprintIndex) -> None:
        silence = stored(np.full(1900, SILENCE, dtype=np.uint32))
        nothing = stored(np.array([], dtype=np.uint32))
        for name, fingerprint in (("silence", silence), ("nothing", nothing)):
            index.add(name, fingerprint)
        assert index.candidates([silence]) == index.candidates([nothing]) == []

    def test_adding_again_replaces(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        index.add("song", stored(items(1)))
        assert index.candidates([stored(items(1))]) == ["song"]
        index.add("song", stored(items(2)))
        assert index.candidates([stored(items(1))]) == []
        assert index.candidates([stored(items(2))]) == ["song"]

    def test_what_was_removed_is_not_proposed(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        index.add("other", stored(items(1)))
        index.remove("song")
        index.remove("song")
        index.remove("unknown")
        assert index.candidates([stored(items(1))]) == ["other"]

    def test_damaged_bytes_are_refused_and_replace_nothing(self, index: FingerprintIndex) -> None:
        index.add("song", stored(items(1)))
        with pytest.raises(ValueError, match="fingerprint"):
            index.add("song", b"damaged")
        with pytest.raises(ValueError, match="fingerprint"):
            index.candidates([b"damaged"])
        assert index.candidates([stored(items(1))]) == ["song"]

    def test_many_threads_add_and_look_up_at_once(self, index: FingerprintIndex) -> None:
        found: dict[int, list[str]] = {}

        def work(seed: int) -> None:
            index.add(f"s{seed}", stored(items(seed)))
            found[seed] = list(index.candidates([stored(items(seed))]))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {seed: [f"s{seed}"] for seed in range(10)}

    def test_rebuilding_replaces_everything(self, index: FingerprintIndex) -> None:
        for seed in (1, 2):
            index.add(f"old {seed}", stored(items(seed)))
        entries = [("new", stored(items(3))), ("old 2", stored(items(4))), ("silent", stored(items(1, 0)))]
        assert index.rebuild(entries) == 3
        assert [index.candidates([stored(items(seed))]) for seed in (1, 2, 3, 4)] == [[], [], ["new"], ["old 2"]]
        index.add("new", stored(items(5)))
        index.remove("old 2")
        assert [index.candidates([stored(items(seed))]) for seed in (3, 4, 5)] == [[], [], ["new"]]
        assert index.rebuild([]) == 0
        assert index.candidates([stored(items(5))]) == []

    def test_look_ups_see_the_old_index_while_it_is_rebuilt_and_songs_added_meanwhile_are_kept(
        self, index: FingerprintIndex, open_index: Opener
    ) -> None:
        index.add("old", stored(items(1)))
        index.add("known", stored(items(2)))
        other = open_index()

        def entries() -> Iterator[tuple[str, bytes]]:
            yield "known", stored(items(2))
            other.add("late", stored(items(3)))
            other.add("known", stored(items(4)))
            assert other.candidates([stored(items(1))]) == ["old"]
            yield "new", stored(items(5))
            assert other.candidates([stored(items(5))]) == []

        assert index.rebuild(entries()) == 2
        found = [other.candidates([stored(items(seed))]) for seed in (1, 3, 4, 5)]
        assert found == [[], ["late"], ["known"], ["new"]]
        other.close()

    def test_a_rebuild_that_breaks_leaves_the_old_index(self, index: FingerprintIndex) -> None:
        index.add("old", stored(items(1)))

        def entries() -> Iterator[tuple[str, bytes]]:
            yield "new", stored(items(2))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            index.rebuild(entries())
        assert [index.candidates([stored(items(seed))]) for seed in (1, 2)] == [["old"], []]
        assert index.rebuild([("new", stored(items(2)))]) == 1
        assert [index.candidates([stored(items(seed))]) for seed in (1, 2)] == [[], ["new"]]

    def test_a_rebuilt_index_goes_on_as_any_other(self, index: FingerprintIndex) -> None:
        index.rebuild((f"s{seed}", stored(items(seed))) for seed in range(10))
        index.add("twin", stored(items(3)))
        assert index.candidates([stored(items(3))]) == ["s3", "twin"]
        index.remove("s3")
        assert index.candidates([stored(items(3))]) == ["twin"]

    def test_reopening_keeps_everything(self, index: FingerprintIndex, open_index: Opener) -> None:
        index.add("song", stored(items(1)))
        index.close()
        again = open_index()
        assert again.candidates([stored(items(1))]) == ["song"]
        again.close()

    def test_close_may_be_called_twice(self, index: FingerprintIndex) -> None:
        index.close()
        index.close()


def _one_key_of(some: Items) -> Items:
    from demixer.recognition.fingerprint import hash_items, sample_keys

    keys = sample_keys(Fingerprint(some, 1.0))
    of_long_songs: Items = keys[hash_items(keys) % 16 == 0]
    return of_long_songs[:1]
