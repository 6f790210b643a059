import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from demixer.audio.decode import LOUDEST, decode
from demixer.domain.errors import Refused
from tests.audio_samples import FORMATS, SAMPLE_RATE, Samples, ffmpeg, music, tone, write
from tests.processes import left_running


def decoded(path: Path, *, sample_rate: int = SAMPLE_RATE, channels: int = 2, seconds: float | None = None) -> Samples:
    return np.concatenate(list(decode(path, sample_rate=sample_rate, channels=channels, max_seconds=seconds)), axis=1)


@pytest.mark.parametrize("suffix", ["flac", "wav", "aiff", "alac.m4a"])
def test_lossless_files_come_back_sample_for_sample(suffix: str, tmp_path: Path) -> None:
    song = music(12)
    back = decoded(write(tmp_path / f"song.{suffix}", song, *FORMATS[suffix]))
    assert back.dtype == np.float32
    assert back.shape == song.shape
    assert np.abs(back - song).max() < 2 / 32768


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_its_level(suffix: str, tmp_path: Path) -> None:
    back = decoded(write(tmp_path / f"song.{suffix}", tone(6), *FORMATS[suffix]))
    assert float(np.sqrt(np.mean(back[:, SAMPLE_RATE:-SAMPLE_RATE] ** 2))) == pytest.approx(
        0.5 / 2**0.5, rel=0.06
    )  # LAME lowers by 5 %


def test_blocks_are_of_one_size_but_the_last(tmp_path: Path) -> None:
    blocks = list(decode(write(tmp_path / "song.wav", tone(12.5)), sample_rate=44_100, channels=2))
    assert [block.shape for block in blocks] == [(2, 5 * 44_100), (2, 5 * 44_100), (2, 110_250)]
    assert all(block.flags.c_contiguous and block.flags.writeable for block in blocks)


def test_mono_is_put_on_both_channels_without_loss_of_level(tmp_path: Path) -> None:
    back = decoded(write(tmp_path / "mono.wav", tone(6)[:1]))
    assert np.abs(back - tone(6)).max() < 0.001


def test_surround_comes_down_to_two_sides_without_clipping(tmp_path: Path) -> None:
    full = np.repeat(tone(6, peak=1.0)[:1], 6, axis=0)
    back = decoded(write(tmp_path / "surround.wav", full, "-c:a", "pcm_f32le"))
    assert back.shape[0] == 2
    assert 0.9 < np.abs(back).max() <= 1.0


def test_one_channel_is_the_mean_of_both(tmp_path: Path) -> None:
    sides = tone(6) * np.array([[1.0], [0.5]], dtype=np.float32)
    back = decoded(write(tmp_path / "song.wav", sides), channels=1)
    assert back.shape == (1, 6 * SAMPLE_RATE)
    assert np.abs(back - sides.mean(axis=0)).max() < 0.001


@pytest.mark.parametrize("rate", [8_000, 48_000, 192_000])
def test_it_resamples_to_what_is_asked_for(rate: int, tmp_path: Path) -> None:
    back = decoded(write(tmp_path / "song.flac", tone(6, sample_rate=rate), sample_rate=rate))
    assert back.shape == (2, 6 * SAMPLE_RATE)
    middle = slice(SAMPLE_RATE, -SAMPLE_RATE)
    assert np.abs(back - tone(6))[:, middle].max() < 0.005


def test_it_stops_after_the_given_seconds(tmp_path: Path) -> None:
    song = write(tmp_path / "song.wav", tone(12))
    assert decoded(song, seconds=7.25).shape == (2, 319_725)
    assert decoded(song, seconds=10).shape == (2, 441_000)
    assert decoded(song, seconds=99).shape == (2, 529_200)


def test_closing_the_iterator_ends_the_child(tmp_path: Path) -> None:
    blocks = decode(write(tmp_path / "song.wav", tone(60)), sample_rate=44_100, channels=2)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert not left_running()


def test_nan_infinity_and_far_too_loud_samples_are_removed(tmp_path: Path) -> None:
    wild = tone(6).copy()
    wild[0, 1000:1004] = [np.nan, np.inf, -np.inf, 1e30]
    back = decoded(write(tmp_path / "wild.wav", wild, "-c:a", "pcm_f32le"))
    assert np.isfinite(back).all()
    assert back[0, 1000:1004].tolist() == [0, 0, 0, LOUDEST]
    assert np.array_equal(back[1], wild[1])


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    song = write(tmp_path / "song.flac", music(12)).read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(song[: len(song) // 2])
    back = decoded(cut)
    assert 4 < back.shape[1] / SAMPLE_RATE < 8
    assert np.abs(back - music(12)[:, : back.shape[1]]).max() < 2 / 32768


def test_a_file_of_which_nothing_decodes_is_an_error(tmp_path: Path) -> None:
    song = write(tmp_path / "song.flac", tone(6)).read_bytes()
    broken = tmp_path / "broken.flac"
    broken.write_bytes(song[:200] + b"\x55" * 100_000)
    with pytest.raises(Refused, match="damaged-audio"):
        decoded(broken)
    broken.write_bytes(b"%PDF-1.7")
    with pytest.raises(Refused, match="not-audio"):
        decoded(broken)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts in KB as Linux does")
def test_a_long_file_decodes_in_constant_memory(tmp_path: Path) -> None:
    long = tmp_path / "long.flac"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2400", long)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames = sum(block.shape[1] for block in decode(long, sample_rate=44_100, channels=2))
    assert frames == 2400 * 44_100  # 847 MB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
