from collections import Counter

import numpy as np
import pytest

from demixer.recognition.fingerprint import SILENCE, Items
from demixer.recognition.offsets import MOST_REPEATS, Keys

LOW = np.uint32(12)  # bits that do not count


def items(seed: int, length: int, different: int) -> Items:
    random = np.random.default_rng(seed)
    tops, rest = random.integers(0, different, length), random.integers(0, 1 << 12, length)
    return (tops << 12 | rest).astype(np.uint32)


def by_pairs(song: Items, file: Items) -> dict[int, int]:
    """One pair after another."""
    repeats = [Counter(one >> LOW) for one in (song, file)]
    telling = {key for key in repeats[0] & repeats[1] if max(each[key] for each in repeats) <= MOST_REPEATS}
    pairs = ((here, there) for here in range(len(song)) for there in range(len(file)))
    return Counter(a - b for a, b in pairs if song[a] >> LOW == file[b] >> LOW and song[a] >> LOW in telling)


@pytest.mark.parametrize("different", [20, 80, 400, 1 << 20])
def test_each_pair_of_equal_keys_votes_for_its_offset(different: int) -> None:
    song, file = items(1, 150, different), items(2, 170, different)
    file[40:120] = song[10:90]
    votes = Keys.of(file).votes(song)
    assert dict(zip(votes.offsets.tolist(), votes.counts.tolist(), strict=True)) == by_pairs(song, file)


def test_the_likeliest_come_first_and_neighbours_count_as_near() -> None:
    song, file = items(1, 100, 1 << 20), items(2, 100, 1 << 20)
    file[20:80] = song[30:90]
    file[0:10] = song[90:100]
    votes = Keys.of(file).votes(song)
    assert votes.likeliest(2) == [10, 90]
    assert (votes.near(11), votes.near(10), votes.near(12)) == (60, 60, 0)


def test_silence_and_what_comes_again_and_again_say_nothing() -> None:
    silent = np.full(50, SILENCE, np.uint32)
    assert Keys.of(silent).votes(silent).likeliest(5) == []
    loop = np.tile(items(3, 10, 1 << 20), MOST_REPEATS + 1)
    assert Keys.of(loop).votes(loop).likeliest(5) == []
