import json

import numpy as np
import pytest

from demixer.audio.peaks import POINTS, Peaks
from tests.audio_samples import SAMPLE_RATE, Samples, music, silence, tone


def drawn(samples: Samples, block: int = 100_000) -> tuple[float, list[int]]:
    peaks = Peaks(SAMPLE_RATE)
    for start in range(0, samples.shape[1], block):
        peaks.add(samples[:, start : start + block])
    waveform = json.loads(json.dumps(peaks.waveform()))
    return waveform["duration"], waveform["points"]


def test_loud_and_quiet_parts_are_where_they_were() -> None:
    duration, points = drawn(np.concatenate([silence(10), tone(10, peak=0.5), tone(10, peak=1.0)], axis=1))
    assert duration == 30
    assert len(points) == 1_500
    assert set(points[:500]) == {0}
    assert set(points[500:1_000]) <= {127, 128}
    assert set(points[1_000:]) <= {254, 255}


def test_a_long_song_has_no_more_points_than_a_screen() -> None:
    song = silence(200)
    song[1, 150 * SAMPLE_RATE] = -0.8  # one sample on one side
    duration, points = drawn(song)
    assert (duration, len(points)) == (200, POINTS)
    assert points.index(204) == pytest.approx(POINTS * 150 / 200, abs=1)
    assert sum(points) == 204


@pytest.mark.parametrize("block", [1, 100, 882, 44_100])
def test_the_size_of_the_blocks_does_not_matter(block: int) -> None:
    song = music(3)[:, :20_001]
    assert drawn(song, block) == drawn(song)


def test_too_loud_samples_are_full_scale_and_no_samples_are_an_empty_waveform() -> None:
    assert max(drawn(tone(1, peak=3.0))[1]) == 255
    assert drawn(silence(0)) == (0.0, [])
