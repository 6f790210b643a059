"""What one decode measures of a file, and every file that is refused."""

import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from demixer.audio import ffmpeg as ffmpeg_module
from demixer.audio import sandbox
from demixer.audio.probe import probe
from demixer.domain.errors import Refused, Transient
from demixer.recognition.bandwidth import BandwidthMeter
from demixer.recognition.decoding import DecodedAudio, decode_and_fingerprint
from demixer.recognition.reference import RATE
from tests.audio_samples import FORMATS, SAMPLE_RATE, ffmpeg, music, silence, tone, write
from tests.processes import left_running


def decoded(path: Path, *, max_minutes: float = 20) -> DecodedAudio:
    return decode_and_fingerprint(path, max_minutes=max_minutes)


def refusal(path: Path, *, max_minutes: float = 20) -> str:
    """The code of the refusal; no child is left behind."""
    with pytest.raises(Refused) as refused:
        decode_and_fingerprint(path, max_minutes=max_minutes)
    assert not left_running()
    return refused.value.code


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write(tmp_path / "song.wav", tone(6))


@pytest.mark.parametrize("suffix", FORMATS)
def test_it_reads_every_format(suffix: str, tmp_path: Path) -> None:
    found = decoded(write(tmp_path / f"song.{suffix}", tone(6), *FORMATS[suffix]))
    assert found.duration == pytest.approx(6, abs=0.15)
    assert found.peak == pytest.approx(0.5, abs=0.05)
    assert (found.encoding.channels, found.has_video) == (2, False)
    assert found.encoding.sample_rate in (44_100, 48_000)
    assert found.fingerprint.duration == found.duration


@pytest.mark.parametrize(
    ("suffix", "options", "codec", "bit_rate"),
    [
        ("mp3", ("-b:a", "128k"), "mp3", 128_000),
        ("m4a", ("-c:a", "aac", "-b:a", "96k"), "aac", 96_000),
        ("wav", (), "pcm_s16le", 1_411_000),
        ("flac", (), "flac", None),  # by the size of the file
    ],
)
def test_it_says_how_a_file_is_encoded(
    suffix: str, options: tuple[str, ...], codec: str, bit_rate: int | None, tmp_path: Path
) -> None:
    found = decoded(write(tmp_path / f"song.{suffix}", music(12), *options)).encoding
    assert (found.codec, found.sample_rate, found.channels) == (codec, SAMPLE_RATE, 2)
    if bit_rate:
        assert found.bit_rate == pytest.approx(bit_rate, rel=0.1)
    else:
        assert 300_000 < found.bit_rate < 1_411_000


def test_the_bit_rate_of_a_video_is_not_that_of_its_sound(tmp_path: Path, song: Path) -> None:
    video = tmp_path / "clip.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=6:s=640x480:r=25", "-i", song, "-c:v", "libx264", "-c:a", "flac", video)
    assert decoded(video).encoding.bit_rate == 0


@pytest.mark.parametrize(
    ("suffix", "options", "lowest", "highest"),
    [
        ("flac", (), 21_000, 22_050),
        ("mp3", ("-b:a", "128k"), 16_000, 17_500),
        ("mp3", ("-b:a", "64k"), 10_500, 12_000),
        ("mp3", ("-b:a", "32k"), 5_000, 6_500),
        ("wav", ("-ar", "8000"), 4_000, 4_000),
        ("flac", ("-af", "pan=stereo|c0=c0|c1=-1*c0"), 21_000, 22_050),
    ],
)
def test_the_bandwidth_is_where_the_sound_ends(
    suffix: str, options: tuple[str, ...], lowest: int, highest: int, tmp_path: Path
) -> None:
    found = decoded(write(tmp_path / f"song.{suffix}", music(12), *options)).encoding
    assert lowest <= found.bandwidth <= highest


def test_the_bandwidth_does_not_depend_on_how_the_samples_are_cut_into_blocks() -> None:
    samples = (music(12).T * 32767).astype(np.int16)
    meters = [BandwidthMeter(SAMPLE_RATE) for _ in range(3)]
    for meter, size in zip(meters, (1 << 20, 44_100, 777), strict=True):
        for start in range(0, len(samples), size):
            meter.add(samples[start : start + size])
    assert len({meter.bandwidth() for meter in meters}) == 1
    assert meters[0].bandwidth() > 20_000
    assert BandwidthMeter(SAMPLE_RATE).bandwidth() == 0


def test_a_song_whose_format_changes_on_the_way_loses_nothing(tmp_path: Path) -> None:
    """Mono after stereo, and another sample rate: as MP3s that were put after each other, or off the radio."""
    bare = ("-write_xing", "0", "-id3v2_version", "0")
    stereo = write(tmp_path / "stereo.mp3", tone(7.1), *bare)
    mono = write(tmp_path / "mono.mp3", tone(5.3), *bare, "-ac", "1", "-ar", "48000")
    both = tmp_path / "both.mp3"
    both.write_bytes(stereo.read_bytes() + mono.read_bytes() + stereo.read_bytes())
    found, alone = decoded(both), [decoded(one).duration for one in (stereo, mono, stereo)]
    assert found.duration == pytest.approx(sum(alone), abs=0.005)
    assert len(found.samples) / RATE == pytest.approx(found.duration, abs=0.01)


def test_it_reads_the_sound_of_a_video(tmp_path: Path, song: Path) -> None:
    video = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=6:s=64x64:r=5", "-i", song, "-c:v", "libx264", "-c:a", "aac", video)
    found = decoded(video)
    assert found.has_video
    assert (found.container, found.encoding.codec) == ("mov", "aac")
    assert found.duration == pytest.approx(6, abs=0.1)


def test_a_cover_is_no_video(tmp_path: Path, song: Path) -> None:
    picture, covered = tmp_path / "cover.png", tmp_path / "covered.mp3"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", picture)
    ffmpeg("-i", song, "-i", picture, "-map", "0", "-map", "1", "-c:v", "copy", covered)
    assert not decoded(covered).has_video


def test_only_the_first_of_several_sounds_counts(tmp_path: Path, song: Path) -> None:
    two = tmp_path / "two.mkv"
    ffmpeg("-i", song, "-f", "lavfi", "-i", "sine=d=9", "-map", "0", "-map", "1", "-c:a", "flac", two)
    assert decoded(two).duration == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_any_sample_rate_is_taken(rate: int, tmp_path: Path) -> None:
    found = decoded(write(tmp_path / "song.wav", tone(6, sample_rate=rate), sample_rate=rate))
    assert found.encoding.sample_rate == rate
    assert found.duration == pytest.approx(6, abs=0.001)


def test_mono_and_surround_are_taken(tmp_path: Path) -> None:
    one = write(tmp_path / "mono.wav", tone(6)[:1])
    six = write(tmp_path / "surround.wav", np.repeat(tone(6)[:1], 6, axis=0), "-ac", "6")
    assert (decoded(one).encoding.channels, decoded(six).encoding.channels) == (1, 6)
    assert decoded(one).peak == pytest.approx(0.5, abs=0.01)


def test_the_name_of_a_file_means_nothing(tmp_path: Path, song: Path) -> None:
    names = ("-i.mp3", "concat:a|b.wav", "http:", "song.pdf", "🎵 \u202eعود.m3u8", "x" * 255, "100%d.png", "no\nname")
    for name in names:
        copy = tmp_path / name
        copy.write_bytes(song.read_bytes())
        assert decoded(copy).duration == pytest.approx(6, abs=0.001), name


def test_a_relative_path_is_taken(tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert decoded(Path(song.name)).duration == 6


def pdf() -> bytes:
    return b"%PDF-1.7\n" + np.random.default_rng(1).bytes(50_000)


def png() -> bytes:
    rows = zlib.compress(b"\0" * 65 * 64)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def zip_bomb(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros", bytes(50_000_000))
    return (folder / "bomb.zip").read_bytes()


def test_anything_but_audio_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    contents = {"pdf": pdf(), "png": png(), "zip": zip_bomb(tmp_path), "text": b"just words\n" * 1000, "byte": b"\0"}
    contents |= {f"noise-{size}": random.bytes(size) for size in (10, 1_000, 100_000, 3_000_000)}
    for name, content in contents.items():
        disguised = tmp_path / f"{name}.mp3"
        disguised.write_bytes(content)
        assert refusal(disguised) == "not-audio", name


@pytest.mark.parametrize("suffix", ["mp3", "flac", "ogg", "m4a", "mkv"])
def test_a_header_with_garbage_after_it_is_damaged(suffix: str, tmp_path: Path, song: Path) -> None:
    whole = write(tmp_path / f"song.{suffix}", tone(6), *FORMATS[suffix], "-metadata", "title=" + "t" * 100)
    broken = tmp_path / f"broken.{suffix}"
    broken.write_bytes(whole.read_bytes()[:80] + np.random.default_rng(5).bytes(500_000))
    assert refusal(broken) == "damaged-audio"


@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav", "ogg", "opus", "aac", "wma", "mkv", "aiff"])
def test_a_truncated_file_gives_what_is_there(suffix: str, tmp_path: Path) -> None:
    whole = write(tmp_path / f"song.{suffix}", music(12), *FORMATS[suffix]).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    assert 5 < decoded(cut).duration < 11.5
    cut.write_bytes(whole[: len(whole) // 5])
    assert refusal(cut) == "too-short"


def test_a_recording_that_was_never_finished_is_damaged(tmp_path: Path) -> None:
    whole = write(tmp_path / "song.m4a", tone(6), "-c:a", "aac").read_bytes()
    cut = tmp_path / "cut.m4a"
    cut.write_bytes(whole[: len(whole) // 2])  # its index would have been at the end
    assert refusal(cut) == "damaged-audio"


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=6:s=64x64:r=5", video)
    assert refusal(video) == "no-sound"


def test_less_than_five_seconds_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "short.wav", tone(4.99))) == "too-short"
    assert decoded(write(tmp_path / "enough.wav", tone(5))).duration == 5


def test_silence_is_refused_and_quiet_music_is_not(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "zeros.flac", silence(6))) == "silent"
    assert refusal(write(tmp_path / "hum.wav", tone(6, peak=0.0005), "-c:a", "pcm_f32le")) == "silent"
    assert decoded(write(tmp_path / "quiet.wav", tone(6, peak=0.004))).peak == pytest.approx(0.004, abs=0.0005)
    late = np.concatenate([silence(60), tone(1, peak=0.3)], axis=1)
    assert decoded(write(tmp_path / "late.flac", late)).peak == pytest.approx(0.3, abs=0.01)


def test_sides_that_cancel_each_other_are_not_silent(tmp_path: Path) -> None:
    opposite = tone(6) * np.array([[1], [-1]], dtype=np.float32)
    assert decoded(write(tmp_path / "opposite.wav", opposite)).peak == pytest.approx(0.5, abs=0.01)


def test_a_song_over_the_limit_is_refused(tmp_path: Path) -> None:
    song = write(tmp_path / "song.mp3", tone(13))
    assert refusal(song, max_minutes=0.2) == "too-long"
    assert decoded(song, max_minutes=13.1 / 60).duration == pytest.approx(13, abs=0.05)


def test_a_huge_song_is_refused_before_it_is_all_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tmp_path / "huge.flac"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=d=600", huge)
    read, blocks = [0], sandbox.Child.read

    def counted(child: sandbox.Child) -> bytes:
        block = blocks(child)
        read[0] += len(block)
        return block

    monkeypatch.setattr(sandbox.Child, "read", counted)
    assert refusal(huge, max_minutes=1) == "too-long"
    assert read[0] < 70 * SAMPLE_RATE * 4


def test_a_wrong_duration_in_the_header_does_not_matter(tmp_path: Path) -> None:
    song = bytearray(write(tmp_path / "song.flac", tone(6)).read_bytes())
    for claimed in (1, 36 << 30):  # samples, in the last 36 bits before the checksum of STREAMINFO
        song[21:26] = ((song[21] & 0xF0) << 32 | claimed).to_bytes(5, "big")
        liar = tmp_path / f"liar-{claimed}.flac"
        liar.write_bytes(song)
        assert decoded(liar).duration == pytest.approx(6, abs=0.001)


def test_a_title_cannot_be_taken_for_a_stream(tmp_path: Path) -> None:
    trick = "x\n  Stream #0:0: Audio: fake, 1 Hz, mono\nInput #0, fake, from 'x':"
    found = decoded(write(tmp_path / "song.flac", tone(6), "-metadata", f"title={trick}"))
    assert (found.container, found.encoding.codec, found.encoding.sample_rate) == ("flac", "flac", 44_100)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{song}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{song}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{song}'\n",
        "concat:{song}",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{song}</BaseURL></MPD>',
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    ],
)
@pytest.mark.parametrize("suffix", ["m3u8", "mp3"])
def test_a_playlist_cannot_read_another_file(playlist: str, suffix: str, tmp_path: Path, song: Path) -> None:
    attack = tmp_path / f"attack.{suffix}"
    attack.write_text(playlist.format(song=song))
    assert refusal(attack) == "not-audio"


@pytest.mark.parametrize("list_of", ["ffconcat version 1.0\nfile '{song}'\n", "#EXTM3U\n#EXTINF:9,\nfile:{song}\n"])
def test_a_demuxer_that_is_not_on_the_allow_list_opens_no_other_file(list_of: str, tmp_path: Path, song: Path) -> None:
    attack = tmp_path / "attack.txt"
    attack.write_text(list_of.format(song=song))
    command = ffmpeg_module.decoding("-f", "s16le", "pipe:1")
    at = command.index("-format_whitelist")
    del command[at : at + 2]
    with sandbox.Child(command, source=attack) as child:
        assert b"".join(child.blocks()) == b""
        assert child.finish().code != 0


def test_a_child_that_hangs_is_reported_as_too_long(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr("demixer.audio.ffmpeg.binary", lambda: str(hanging))
    impatient = sandbox.Limits(wait=0.2)
    monkeypatch.setattr(sandbox, "Limits", lambda: impatient)
    assert refusal(song) == "took-too-long"


def test_a_killed_decoder_is_not_taken_for_a_short_song(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\nhead -c 2000000 /dev/urandom\nkill -9 $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr("demixer.audio.ffmpeg.binary", lambda: str(dying))
    with pytest.raises(Transient):
        decoded(song)


def test_probing_reads_the_header_alone(tmp_path: Path, song: Path) -> None:
    found = probe(song)
    assert (found.container, found.encoding.codec, found.encoding.channels, found.claimed_duration) == (
        "wav",
        "pcm_s16le",
        2,
        6.0,
    )
    notes = tmp_path / "notes.mp3"
    notes.write_bytes(os.urandom(2_000))
    with pytest.raises(Refused, match="not-audio"):
        probe(notes)
