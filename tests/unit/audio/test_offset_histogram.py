from collections import Counter

import numpy as np
import pytest

from demixer.recognition.fingerprint import SILENCE, Items
from demixer.recognition.offset_histogram import KeyTable
from demixer.recognition.thresholds import MAX_KEY_REPEATS

LOW_BITS = np.uint32(12)  # those that are not part of a key


def items(seed: int, length: int, different: int) -> Items:
    random = np.random.default_rng(seed)
    tops, rest = random.integers(0, different, length), random.integers(0, 1 << 12, length)
    return (tops << 12 | rest).astype(np.uint32)


def histogram_by_pairs(song: Items, file: Items) -> dict[int, int]:
    """Counted one pair after another."""
    repeats = [Counter(one >> LOW_BITS) for one in (song, file)]
    rare = {key for key in repeats[0] & repeats[1] if max(each[key] for each in repeats) <= MAX_KEY_REPEATS}
    pairs = ((here, there) for here in range(len(song)) for there in range(len(file)))
    return Counter(
        a - b for a, b in pairs if song[a] >> LOW_BITS == file[b] >> LOW_BITS and song[a] >> LOW_BITS in rare
    )


@pytest.mark.parametrize("different", [20, 80, 400, 1 << 20])
def test_each_pair_of_equal_keys_is_a_hit_at_its_offset(different: int) -> None:
    song, file = items(1, 150, different), items(2, 170, different)
    file[40:120] = song[10:90]
    histogram = KeyTable.of(file).histogram(song)
    assert dict(zip(histogram.offsets.tolist(), histogram.counts.tolist(), strict=True)) == histogram_by_pairs(
        song, file
    )


def test_peaks_come_in_order_and_neighbouring_offsets_count_as_near() -> None:
    song, file = items(1, 100, 1 << 20), items(2, 100, 1 << 20)
    file[20:80] = song[30:90]
    file[0:10] = song[90:100]
    histogram = KeyTable.of(file).histogram(song)
    assert histogram.peaks(2) == [10, 90]
    assert (histogram.hits_near(11), histogram.hits_near(10), histogram.hits_near(12)) == (60, 60, 0)


def test_silence_and_keys_that_repeat_often_do_not_count() -> None:
    silent = np.full(50, SILENCE, np.uint32)
    assert KeyTable.of(silent).histogram(silent).peaks(5) == []
    loop = np.tile(items(3, 10, 1 << 20), MAX_KEY_REPEATS + 1)
    assert KeyTable.of(loop).histogram(loop).peaks(5) == []
