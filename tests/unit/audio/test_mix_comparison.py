"""Whether a file is the same mix as a song: on songs that are made here, whose stems are known exactly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from demixer.domain import MatchVerdict
from demixer.recognition import reference, thresholds
from demixer.recognition.mix_comparison import MixComparison, compare_mix
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.stem_gains import TileProducts
from demixer.recognition.stft import FREQUENCIES
from demixer.recognition.thresholds import TILE_FRAMES
from tests.audio_samples import SAMPLE_RATE, Samples, music, silence, write

SECONDS = 40.0
LEVELS = {"vocals": 0.06, "drums": 0.35, "other": 0.4}
Parts = dict[str, Samples]


def parts_of(seed: int = 11) -> Parts:
    """A melody that rests now and then, noises on the beat, and chords."""
    at = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    random = np.random.default_rng(seed)
    notes = np.repeat(220.0 * 2 ** (random.integers(0, 24, 160) / 12), SAMPLE_RATE // 4)[: at.size]
    sung = np.sin(2 * np.pi * np.cumsum(notes) / SAMPLE_RATE) + 0.5 * np.sin(4 * np.pi * np.cumsum(notes) / SAMPLE_RATE)
    sung = sung * ((at % 10) < 7)
    beat = random.standard_normal(at.size) * np.exp(-30 * (at % 0.5))
    raw: Parts = {"vocals": np.stack([sung, sung]), "drums": np.stack([beat, beat]), "other": music(SECONDS, seed=seed)}
    return {name: np.asarray(LEVELS[name] * sound / np.abs(sound).max(), np.float32) for name, sound in raw.items()}


def mixed(parts: Parts) -> Samples:
    return np.asarray(np.sum(list(parts.values()), axis=0), dtype=np.float32)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of()


@pytest.fixture(scope="module")
def song(parts: Parts) -> Samples:
    return mixed(parts)


@pytest.fixture(scope="module")
def known(parts: Parts, song: Samples, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    for name, sound in parts.items():
        write(folder / f"{name}.flac", sound)
    known = reference.read(reference.write(write(folder / "song.wav", song), folder, list(parts)), list(parts))
    assert known is not None
    return known


@pytest.fixture
def compared(known: Reference, tmp_path: Path) -> Callable[..., MixComparison]:
    def compare(
        sound: Samples, *options: str, suffix: str = "wav", near: float = 0.0, stems: bool = True
    ) -> MixComparison:
        file = write(tmp_path / f"file.{suffix}", sound, *options)
        of = known if stems else Reference((), known.samples[:1])
        return compare_mix(reference.as_float(reference.decode_file(file)), of, round(near * RATE))

    return compare


def test_a_reference_holds_the_mixture_and_the_stems(known: Reference, song: Samples) -> None:
    assert known.stem_names == ("vocals", "drums", "other")
    assert known.samples.shape == (4, pytest.approx(SECONDS * RATE, abs=2))
    assert np.abs(known.samples[1:].sum(axis=0) - known.mixture).max() < 2e-3


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("wav", ()),
        ("mp3", ("-b:a", "128k")),
        ("mp3", ("-b:a", "32k")),
        ("opus", ("-c:a", "libopus", "-b:a", "32k")),
        ("m4a", ("-c:a", "aac", "-b:a", "32k")),
        ("ogg", ("-c:a", "libvorbis", "-q:a", "1")),
        ("wma", ("-c:a", "wmav2", "-b:a", "64k")),
        ("wav", ("-ac", "1")),
        ("wav", ("-ar", "8000")),
        ("wav", ("-af", "volume=-30dB")),
        ("wav", ("-af", "volume=12dB")),
        ("wav", ("-af", "alimiter=level_in=3:limit=0.9")),
        ("wav", ("-af", "treble=g=-12")),
        ("wav", ("-af", "loudnorm")),
        ("wav", ("-af", "afade=t=in:d=5")),
    ],
)
def test_encoding_and_filtering_change_no_mix(
    suffix: str, options: tuple[str, ...], compared: Callable[..., MixComparison], song: Samples
) -> None:
    found = compared(song, *options, suffix=suffix)
    assert found.verdict is MatchVerdict.SAME, found


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("wav",), ("mp3", "-b:a", "32k")])
@pytest.mark.parametrize("gone", ["vocals", "drums"])
def test_a_stem_that_is_gone_is_named(
    gone: str, codec: tuple[str, ...], compared: Callable[..., MixComparison], parts: Parts, song: Samples
) -> None:
    suffix, *options = codec
    found = compared(song - parts[gone], *options, suffix=suffix)
    assert (found.verdict, found.missing_stems) == (MatchVerdict.MIX, (gone,))


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("wav",), ("mp3", "-b:a", "32k")])
def test_a_louder_melody_is_another_mix(
    codec: tuple[str, ...], compared: Callable[..., MixComparison], parts: Parts, song: Samples
) -> None:
    suffix, *options = codec
    found = compared(song + parts["vocals"] * (10 ** (3.5 / 20) - 1), *options, suffix=suffix)
    assert (found.verdict, found.missing_stems) == (MatchVerdict.MIX, ())
    assert found.level_changes == {"vocals": pytest.approx(3.5, abs=0.7)}


@pytest.mark.parametrize("level", [-12, -6])
def test_something_added_is_another_mix(level: float, compared: Callable[..., MixComparison], song: Samples) -> None:
    other = music(SECONDS, seed=23)
    other = other * (np.sqrt(np.mean(song**2) / np.mean(other**2)) * 10 ** (level / 20))
    assert compared(song + other.astype(np.float32)).verdict is not MatchVerdict.SAME


def test_a_song_that_has_something_below_it_is_not_what_a_file_without_that_is(known: Reference) -> None:
    other = music(SECONDS, seed=23).mean(axis=0)[::4][: len(known.mixture)]
    below = other * 10 ** (-12 / 20) * _rms(known.mixture) / _rms(other)
    with_it = Reference(
        known.stem_names, np.stack([known.mixture + below, *known.samples[1:-1], known.samples[-1] + below])
    )
    assert compare_mix(known.mixture, with_it, 0).verdict is not MatchVerdict.SAME
    assert compare_mix(with_it.mixture, with_it, 0).verdict is MatchVerdict.SAME


def test_a_file_without_the_tones_above_its_cutoff_is_the_same(known: Reference) -> None:
    """A song with tones above 4 kHz was taken for another mix when it came with 8,000 Hz."""
    whistle = np.sin(2 * np.pi * 4300 / RATE * np.arange(len(known.mixture))) * _rms(known.mixture) / 10
    song = Reference(
        known.stem_names, np.stack([known.mixture + whistle, *known.samples[1:-1], known.samples[-1] + whistle])
    )
    assert compare_mix(_below_4_khz(song.mixture), song, 0).verdict is MatchVerdict.SAME


def _below_4_khz(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > 4000] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("mp3", "-b:a", "32k"), ("opus", "-c:a", "libopus", "-b:a", "32k")])
def test_what_a_codec_adds_is_far_from_something_added(
    codec: tuple[str, ...], compared: Callable[..., MixComparison], song: Samples
) -> None:
    suffix, *options = codec
    assert compared(song, *options, suffix=suffix).addition_ratio < 0.2
    other = music(SECONDS, seed=23)
    other = other * (np.sqrt(np.mean(song**2) / np.mean(other**2)) * 10 ** (-12 / 20))
    assert compared(song + other.astype(np.float32), *options, suffix=suffix).addition_ratio > 2


@pytest.mark.parametrize("denser", [0.5, 3])
def test_what_a_dense_mix_hides_stands_out_by_its_tones(denser: float, known: Reference) -> None:
    """Noise masks short sounds that are added at -12 dB, but not a steady tone."""
    noise = np.random.default_rng(3).standard_normal(known.mixture.shape)
    dense = np.asarray(known.mixture + denser * noise * _rms(known.mixture), np.float32)
    other = music(SECONDS, seed=23).mean(axis=0)[::4][: len(dense)]
    added = np.asarray(dense + other * 10 ** (-12 / 20) * _rms(dense) / _rms(other), np.float32)
    assert compare_mix(added, Reference((), dense[None]), 0).addition_ratio > 10


def _rms(sound: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def test_a_verse_that_was_replaced_is_no_mix_of_it(compared: Callable[..., MixComparison], song: Samples) -> None:
    other = song.copy()
    other[:, 15 * SAMPLE_RATE : 25 * SAMPLE_RATE] = music(10.0, seed=31) * np.float32(0.6)
    assert compared(other).verdict is not MatchVerdict.SAME


@pytest.fixture(scope="module")
def long(known: Reference) -> Reference:
    """Two minutes, so that a few seconds hardly change any mean."""
    return Reference(known.stem_names, np.tile(known.samples, (1, 3)))


def test_a_stem_that_is_interrupted_is_another_mix(long: Reference) -> None:
    file, verse = long.mixture.copy(), slice(42 * RATE, 62 * RATE)
    file[verse] -= long.samples[1, verse]
    found = compare_mix(file, long, 0)
    assert (found.verdict, found.level_changes, found.interrupted_stems) == (MatchVerdict.MIX, {}, ("vocals",))
    assert compare_mix(long.mixture, long, 0).verdict is MatchVerdict.SAME


@pytest.mark.parametrize("at", [0, 57, 115])
def test_a_loud_voice_over_a_few_seconds_is_not_the_same_recording(at: int, long: Reference) -> None:
    file, then = long.mixture.copy(), slice(at * RATE, (at + 5) * RATE)
    file[then] += 2 * long.samples[1, 10 * RATE : 15 * RATE]
    found = compare_mix(file, long, 0)
    assert (found.verdict, found.is_sure) == (MatchVerdict.DIFFERENT, True)


@pytest.mark.parametrize("at", [0, 57, 115])
def test_a_song_that_somebody_speaks_over_is_not_what_a_file_without_that_is(at: int, long: Reference) -> None:
    """A recording off the radio that came first: of the clean file, one in five got stems with the voice."""
    sounds, then = long.samples.copy(), slice(at * RATE, (at + 5) * RATE)
    sounds[:2, then] += 0.5 * _rms(long.mixture) * _gliding(5.0)
    found = compare_mix(long.mixture, Reference(long.stem_names, sounds), 0)
    assert found.verdict is MatchVerdict.MIX


def _gliding(seconds: float) -> NDArray[np.float32]:
    """Like speech, without a steady pitch. RMS 1."""
    at = np.arange(round(seconds * RATE)) / RATE
    pitch = 180 + 80 * np.sin(2 * np.pi * 1.7 * at) + 40 * np.sin(2 * np.pi * 4.3 * at)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = np.sum([np.sin(harmonic * phase) for harmonic in range(1, 12)], axis=0) * np.abs(np.sin(2 * np.pi * 2 * at))
    return np.asarray(voice / _rms(voice), np.float32)


@pytest.mark.parametrize("at", [0, 41, 115])
def test_a_few_seconds_of_something_else_are_no_mix_of_it(at: int, long: Reference) -> None:
    file, then = long.mixture.copy(), slice(at * RATE, (at + 5) * RATE)
    file[then] = long.mixture[22 * RATE : 27 * RATE]
    assert compare_mix(file, long, 0).verdict is not MatchVerdict.SAME


@pytest.mark.parametrize(("begin", "seconds"), [(20, 20.0), (65, 10.0), (41, 4.0), (90, 1.2)])
def test_a_file_that_is_silent_where_the_song_sounds_is_no_copy_of_it(
    begin: int, seconds: float, long: Reference
) -> None:
    file = long.mixture.copy()
    file[begin * RATE : round((begin + seconds) * RATE)] = 0
    assert compare_mix(file, long, 0).verdict is not MatchVerdict.SAME


@pytest.mark.parametrize("silent", [0, 8])
def test_a_fade_out_is_the_same_and_so_is_silence_after_it(silent: int, long: Reference) -> None:
    level = np.clip((len(long.mixture) / RATE - silent - np.arange(len(long.mixture)) / RATE) / 20, 0, 1)
    found = compare_mix((long.mixture * level).astype(np.float32), long, 0)
    assert found.verdict is MatchVerdict.SAME, found


def test_a_quiet_beginning_of_another_song_is_no_mix_of_it(long: Reference) -> None:
    """At -20 dB; the fingerprints may differ in 16 s of 120."""
    level = np.where(np.arange(long.samples.shape[1]) < 16 * RATE, 0.1, 1)
    quiet = Reference(long.stem_names, (long.samples * level).astype(np.float32))
    file = quiet.mixture.copy()
    file[: 16 * RATE] = 0.1 * long.mixture[22 * RATE : 38 * RATE]
    assert compare_mix(file, quiet, 0).verdict is not MatchVerdict.SAME
    hiss = np.random.default_rng(3).normal(0, 0.1, file.shape) * np.sqrt(np.mean(quiet.mixture**2))
    assert compare_mix((quiet.mixture + hiss).astype(np.float32), quiet, 0).verdict is MatchVerdict.SAME


def during(sound: Samples, begin: int, end: int) -> Samples:
    part = np.zeros_like(sound)
    part[:, begin * SAMPLE_RATE : end * SAMPLE_RATE] = sound[:, begin * SAMPLE_RATE : end * SAMPLE_RATE]
    return part


def test_inverted_polarity_is_the_same(compared: Callable[..., MixComparison], song: Samples) -> None:
    assert compared(-song, "-b:a", "64k", suffix="mp3").verdict is MatchVerdict.SAME


@pytest.mark.thorough
def test_a_long_song_is_compared_to_its_end_piece_by_piece(
    compared: Callable[..., MixComparison], parts: Parts, song: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "MAX_PIECE_SECONDS", round(SECONDS / 2))
    assert compared(song, "-b:a", "64k", suffix="mp3").verdict is MatchVerdict.SAME
    assert compared(song - during(parts["drums"], 20, 40)).missing_stems == ("drums",)


@pytest.mark.thorough
@pytest.mark.parametrize("late", [0.0123, 5.0, -3.0])
def test_the_offset_is_exact_to_a_millisecond(
    late: float, compared: Callable[..., MixComparison], song: Samples
) -> None:
    quiet = silence(max(0.0, late))
    moved = np.concatenate([quiet, song[:, round(max(0.0, -late) * SAMPLE_RATE) :]], axis=1)
    found = compared(moved, "-b:a", "64k", suffix="mp3", near=late + 0.06)
    assert found.verdict is MatchVerdict.SAME
    assert found.offset == pytest.approx(late, abs=0.001)


def test_faster_is_not_the_same(compared: Callable[..., MixComparison], song: Samples) -> None:
    assert compared(song, "-af", "asetrate=44321,aresample=44100").verdict is not MatchVerdict.SAME


@pytest.mark.thorough
def test_without_stems_only_a_copy_without_loss_is_sure(
    compared: Callable[..., MixComparison], parts: Parts, song: Samples
) -> None:
    assert compared(song, stems=False).verdict is MatchVerdict.SAME
    lossy = compared(song, "-b:a", "48k", suffix="mp3", stems=False)
    assert (lossy.verdict, lossy.is_sure) == (MatchVerdict.UNSURE, False)
    assert compared(song - parts["drums"], stems=False).verdict is not MatchVerdict.SAME


@pytest.mark.parametrize("what", [silence(SECONDS), silence(0.01), music(SECONDS, seed=77)])
def test_what_is_something_else_is_never_the_same(what: Samples, compared: Callable[..., MixComparison]) -> None:
    assert compared(what).verdict is not MatchVerdict.SAME


def test_the_windows_of_a_song_are_explained_as_if_each_were_alone() -> None:
    rng = np.random.default_rng(5)
    frames = 6 * TILE_FRAMES
    stems = [(rng.standard_normal((frames, len(FREQUENCIES), 2)) @ [1, 1j]).astype(np.complex64) for _ in range(3)]
    stems[2][: 2 * TILE_FRAMES] = 0
    file = (stems[0] + 0.5 * stems[1] + stems[2]).astype(np.complex64)
    file[4 * TILE_FRAMES :] = 0  # tiles that are left out
    (tiles,) = TileProducts.of([file], stems)
    together, errors = tiles.windows(4, 3).stem_gains()
    for first in range(4):
        (alone,) = TileProducts.of(
            [file[first * TILE_FRAMES : (first + 3) * TILE_FRAMES]],
            [one[first * TILE_FRAMES :][: 3 * TILE_FRAMES] for one in stems],
        )
        gains, error = alone.stem_gains()
        np.testing.assert_allclose(together[first], gains, rtol=1e-6)
        np.testing.assert_allclose(errors[first], error, rtol=1e-6)
        np.testing.assert_allclose(tiles.windows(4, 3).energy_shares()[first], alone.energy_shares(), rtol=1e-6)
    assert tiles.windows(4, 3).mean_energy[3] == pytest.approx(tiles.energy[tiles.time == 3].mean())
