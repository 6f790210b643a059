from pathlib import Path

import numpy as np
import pytest

from demixer.audio import sandbox
from demixer.audio.decode import decode
from demixer.audio.encode import StemWriter, convert
from demixer.audio.ffmpeg import decoding
from demixer.audio.probe import probe
from demixer.domain.errors import StorageFull, Transient
from tests.audio_samples import SAMPLE_RATE, Samples, ffmpeg, music, tone
from tests.processes import left_running


def written(folder: Path, samples: Samples, block: int = 50_001) -> tuple[Path, Path]:
    with StemWriter(folder, "vocals") as writer:
        for start in range(0, samples.shape[1], block):
            writer.write(samples[:, start : start + block])
    return folder / "vocals.flac", folder / "vocals.mp3"


def decoded(path: Path) -> Samples:
    return np.concatenate(list(decode(path, sample_rate=SAMPLE_RATE, channels=2)), axis=1)


def frames(mp3: bytes) -> list[bytes]:
    """The frames of an MPEG-1 layer III file at 44.1 kHz, walked by what each header says of its own length."""
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    at = 10 + int("".join(f"{byte:07b}" for byte in mp3[6:10]), 2) if mp3[:3] == b"ID3" else 0
    found = []
    while at < len(mp3):
        assert mp3[at] == 0xFF
        assert mp3[at + 1] & 0xFE == 0xFA  # MPEG-1, layer III
        assert mp3[at + 2] & 0x0C == 0  # 44.1 kHz
        length = 144_000 * kbits[mp3[at + 2] >> 4] // 44_100 + (mp3[at + 2] >> 1 & 1)
        found.append(mp3[at : at + length])
        at += length
    assert at == len(mp3)
    return found


def test_flac_keeps_every_sample_at_24_bits(tmp_path: Path) -> None:
    song = music(7)[:, :300_007]
    flac, _ = written(tmp_path, song)
    back = decoded(flac)
    assert back.shape == song.shape
    assert np.abs(back - song).max() <= 0.5 / (1 << 23) * 1.001
    assert "s32 (24 bit)" in sandbox.run(decoding("-f", "null", "-"), source=flac).log


def test_every_mp3_frame_stands_alone_and_has_the_same_rate(tmp_path: Path) -> None:
    _, mp3 = written(tmp_path, music(7))
    every = frames(mp3.read_bytes())
    header, sound = every[0], every[1:]
    assert b"Info" in header or b"Xing" in header  # tells players the length and the delay
    assert {frame[2] >> 4 for frame in sound} == {11}  # 192 kbit/s
    assert {len(frame) for frame in sound} == {626, 627}
    # main_data_begin: 9 bits after the header (4 bytes, 6 with a checksum); 0 means that no bits come from before
    starts = [4 if frame[1] & 1 else 6 for frame in sound]
    borrowed = {frame[at] << 1 | frame[at + 1] >> 7 for at, frame in zip(starts, sound, strict=True)}
    assert borrowed == {0}


def test_mp3_is_as_long_and_as_loud_as_what_was_written(tmp_path: Path) -> None:
    song = music(7)
    back = decoded(written(tmp_path, song)[1])
    assert back.shape == song.shape
    assert np.sqrt(np.mean(back**2)) == pytest.approx(np.sqrt(np.mean(song**2)), rel=0.005)
    assert np.corrcoef(back[0], song[0])[0, 1] > 0.99


def test_ranges_of_whole_frames_decode_alone(tmp_path: Path) -> None:
    song = music(7)
    _, mp3 = written(tmp_path, song)
    piece = tmp_path / "piece.mp3"
    piece.write_bytes(b"".join(frames(mp3.read_bytes())[101:151]))
    whole, part = decoded(mp3), decoded(piece)
    start, wanted = 100 * 1152, slice(10 * 1152, 40 * 1152)
    shifts = range(-1152 - 1105, 1152 - 1105)  # 576 + 529 samples of delay of encoder and decoder, cut from the whole
    best = min(float(np.abs(part[:, wanted] - whole[:, start + at :][:, wanted]).max()) for at in shifts)
    assert best < 0.001


def test_what_exceeds_full_scale_is_clipped_and_does_not_wrap(tmp_path: Path) -> None:
    loud = tone(1, peak=1.5)
    back = decoded(written(tmp_path, loud)[0])
    assert np.abs(back - loud.clip(-1, 1)).max() < 1e-6


def test_the_same_samples_give_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = written(tmp_path / "a", music(3))
    second = written(tmp_path / "b", music(3), block=1_000)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_other_sample_rates_and_mono_are_taken(tmp_path: Path) -> None:
    with StemWriter(tmp_path, "bass", sample_rate=48_000, channels=1) as writer:
        writer.write(tone(2, sample_rate=48_000)[:1])
    bass = probe(tmp_path / "bass.flac").encoding
    assert (bass.sample_rate, bass.channels) == (48_000, 1)
    assert probe(tmp_path / "bass.mp3").encoding.sample_rate == 44_100


def test_names_that_look_like_options_or_patterns_will_do(tmp_path: Path) -> None:
    for name in ("-y", "100%d", "a:b", "pipe:1"):
        with StemWriter(tmp_path, name) as writer:
            writer.write(tone(0.5))
        assert (tmp_path / f"{name}.flac").stat().st_size > 0
        assert (tmp_path / f"{name}.mp3").stat().st_size > 0


def test_an_abort_leaves_nothing(tmp_path: Path) -> None:
    writer = StemWriter(tmp_path, "vocals")
    writer.write(tone(1))
    writer.abort()
    writer.abort()
    with pytest.raises(KeyError), StemWriter(tmp_path, "drums") as writer:
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    assert not left_running()


def test_an_abort_after_the_end_changes_nothing(tmp_path: Path) -> None:
    with StemWriter(tmp_path, "vocals") as writer:
        writer.write(tone(1))
    writer.abort()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vocals.flac", "vocals.mp3"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_a_full_disk_is_reported_and_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"vocals.{suffix}").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        written(tmp_path, music(30))
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_dies_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    writer = StemWriter(tmp_path, "vocals")
    writer._child._process.kill()
    with pytest.raises(Transient):
        writer.write(tone(60))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Transient):
        written(tmp_path / "nowhere", tone(1))


def test_a_wav_is_made_of_the_flac(tmp_path: Path) -> None:
    flac, _ = written(tmp_path, music(3))
    wav = tmp_path / "vocals.wav"
    convert(flac, wav)
    assert probe(wav).encoding.codec == "pcm_s24le"
    assert np.array_equal(decoded(wav), decoded(flac))


def test_an_unfinished_wav_is_deleted(tmp_path: Path) -> None:
    wav = tmp_path / "vocals.wav"
    (tmp_path / "vocals.flac").write_bytes(b"no flac")
    with pytest.raises(Transient):
        convert(tmp_path / "vocals.flac", wav)
    if Path("/dev/full").exists():
        flac, _ = written(tmp_path, music(3))
        wav.symlink_to("/dev/full")
        with pytest.raises(StorageFull):
            convert(flac, wav)
    assert not wav.is_symlink()
    assert not wav.exists()


def test_the_files_carry_no_tags_of_the_song(tmp_path: Path) -> None:
    flac, mp3 = written(tmp_path, tone(1))
    for path in (flac, mp3):
        said = ffmpeg("-i", path, "-f", "ffmetadata", "-").decode().lower()
        assert "encoded_by=isolaatti demixer" in said
        assert "title" not in said
