"""Whether a file is the same mix as a song, on sounds that are made here, with their stems known exactly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from demixer.recognition import mixes, reference
from demixer.recognition.factors import CELL, Cells
from demixer.recognition.mixes import Mix
from demixer.recognition.reference import RATE, Reference
from demixer.recognition.spectra import FREQUENCIES
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
def compared(known: Reference, tmp_path: Path) -> Callable[..., Mix]:
    def compare(sound: Samples, *options: str, suffix: str = "wav", near: float = 0.0, stems: bool = True) -> Mix:
        file = write(tmp_path / f"file.{suffix}", sound, *options)
        of = known if stems else Reference((), known.sounds[:1])
        return mixes.compare(reference.as_float(reference.samples(file)), of, round(near * RATE))

    return compare


def test_a_reference_holds_the_mixture_and_the_stems(known: Reference, song: Samples) -> None:
    assert known.names == ("vocals", "drums", "other")
    assert known.sounds.shape == (4, pytest.approx(SECONDS * RATE, abs=2))
    assert np.abs(known.sounds[1:].sum(axis=0) - known.mixture).max() < 2e-3


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
def test_what_is_done_to_a_file_on_its_way_changes_no_mix(
    suffix: str, options: tuple[str, ...], compared: Callable[..., Mix], song: Samples
) -> None:
    found = compared(song, *options, suffix=suffix)
    assert found.same, found


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("wav",), ("mp3", "-b:a", "32k")])
@pytest.mark.parametrize("gone", ["vocals", "drums"])
def test_a_stem_that_is_gone_is_named(
    gone: str, codec: tuple[str, ...], compared: Callable[..., Mix], parts: Parts, song: Samples
) -> None:
    suffix, *options = codec
    found = compared(song - parts[gone], *options, suffix=suffix)
    assert (found.same, found.without) == (False, (gone,))


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("wav",), ("mp3", "-b:a", "32k")])
def test_a_louder_melody_is_another_mix(
    codec: tuple[str, ...], compared: Callable[..., Mix], parts: Parts, song: Samples
) -> None:
    suffix, *options = codec
    found = compared(song + parts["vocals"] * (10 ** (3.5 / 20) - 1), *options, suffix=suffix)
    assert (found.same, found.without) == (False, ())
    assert found.changed == {"vocals": pytest.approx(3.5, abs=0.7)}


@pytest.mark.parametrize("level", [-12, -6])
def test_something_added_is_another_mix(level: float, compared: Callable[..., Mix], song: Samples) -> None:
    other = music(SECONDS, seed=23)
    other = other * (np.sqrt(np.mean(song**2) / np.mean(other**2)) * 10 ** (level / 20))
    assert not compared(song + other.astype(np.float32)).same


def test_a_song_that_has_something_below_it_is_not_what_a_file_without_that_is(known: Reference) -> None:
    other = music(SECONDS, seed=23).mean(axis=0)[::4][: len(known.mixture)]
    below = other * 10 ** (-12 / 20) * _loudness(known.mixture) / _loudness(other)
    with_it = Reference(known.names, np.stack([known.mixture + below, *known.sounds[1:-1], known.sounds[-1] + below]))
    assert not mixes.compare(known.mixture, with_it, 0).same
    assert mixes.compare(with_it.mixture, with_it, 0).same


def test_a_file_that_was_cut_off_above_4_khz_lacks_its_notes_and_is_the_same(known: Reference) -> None:
    """Drascula's track 26 at 8,000 Hz was another mix for the notes that it had above 4 kHz."""
    whistle = np.sin(2 * np.pi * 4300 / RATE * np.arange(len(known.mixture))) * _loudness(known.mixture) / 10
    song = Reference(known.names, np.stack([known.mixture + whistle, *known.sounds[1:-1], known.sounds[-1] + whistle]))
    assert mixes.compare(_below_4_khz(song.mixture), song, 0).same


def _below_4_khz(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > 4000] = 0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("codec", [("mp3", "-b:a", "32k"), ("opus", "-c:a", "libopus", "-b:a", "32k")])
def test_what_a_codec_adds_is_far_from_something_added(
    codec: tuple[str, ...], compared: Callable[..., Mix], song: Samples
) -> None:
    suffix, *options = codec
    assert compared(song, *options, suffix=suffix).added < 0.2
    other = music(SECONDS, seed=23)
    other = other * (np.sqrt(np.mean(song**2) / np.mean(other**2)) * 10 ** (-12 / 20))
    assert compared(song + other.astype(np.float32), *options, suffix=suffix).added > 2


@pytest.mark.parametrize("denser", [0.5, 3])
def test_what_a_dense_mix_hides_stands_out_by_its_notes(denser: float, known: Reference) -> None:
    """Noise covers what is added at -12 dB from one moment to the next, but not a note that stays."""
    noise = np.random.default_rng(3).standard_normal(known.mixture.shape)
    dense = np.asarray(known.mixture + denser * noise * _loudness(known.mixture), np.float32)
    other = music(SECONDS, seed=23).mean(axis=0)[::4][: len(dense)]
    added = np.asarray(dense + other * 10 ** (-12 / 20) * _loudness(dense) / _loudness(other), np.float32)
    assert mixes.compare(added, Reference((), dense[None]), 0).added > 10


def _loudness(sound: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def test_a_verse_that_was_replaced_is_no_mix_of_it(compared: Callable[..., Mix], song: Samples) -> None:
    other = song.copy()
    other[:, 15 * SAMPLE_RATE : 25 * SAMPLE_RATE] = music(10.0, seed=31) * np.float32(0.6)
    assert not compared(other).same


@pytest.fixture(scope="module")
def long(known: Reference) -> Reference:
    """Two minutes, of which a few seconds hardly count in any mean."""
    return Reference(known.names, np.tile(known.sounds, (1, 3)))


def test_a_verse_that_nobody_sings_is_another_mix(long: Reference) -> None:
    heard, verse = long.mixture.copy(), slice(42 * RATE, 62 * RATE)
    heard[verse] -= long.sounds[1, verse]
    found = mixes.compare(heard, long, 0)
    assert (found.same, found.sure, found.changed, found.paused) == (False, True, {}, ("vocals",))
    assert mixes.compare(long.mixture, long, 0).same


@pytest.mark.parametrize("at", [0, 57, 115])
def test_a_voice_over_a_few_seconds_is_another_mix(at: int, long: Reference) -> None:
    heard, then = long.mixture.copy(), slice(at * RATE, (at + 5) * RATE)
    heard[then] += 2 * long.sounds[1, 10 * RATE : 15 * RATE]
    found = mixes.compare(heard, long, 0)
    assert (found.same, found.sure) == (False, True)


@pytest.mark.parametrize("at", [0, 57, 115])
def test_a_song_that_somebody_speaks_over_is_not_what_a_file_without_that_is(at: int, long: Reference) -> None:
    """Off the radio, and there first: with one in five such songs, whoever brought the clean one got the voice."""
    sounds, then = long.sounds.copy(), slice(at * RATE, (at + 5) * RATE)
    sounds[:2, then] += 0.5 * _loudness(long.mixture) * _gliding(5.0)
    found = mixes.compare(long.mixture, Reference(long.names, sounds), 0)
    assert (found.same, found.sure) == (False, True)


def _gliding(seconds: float) -> NDArray[np.float32]:
    """As a voice that speaks: no pitch stays for long. Of loudness 1."""
    at = np.arange(round(seconds * RATE)) / RATE
    pitch = 180 + 80 * np.sin(2 * np.pi * 1.7 * at) + 40 * np.sin(2 * np.pi * 4.3 * at)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = np.sum([np.sin(harmonic * phase) for harmonic in range(1, 12)], axis=0) * np.abs(np.sin(2 * np.pi * 2 * at))
    return np.asarray(voice / _loudness(voice), np.float32)


@pytest.mark.parametrize("at", [0, 41, 115])
def test_a_few_seconds_of_something_else_are_no_mix_of_it(at: int, long: Reference) -> None:
    heard, then = long.mixture.copy(), slice(at * RATE, (at + 5) * RATE)
    heard[then] = long.mixture[22 * RATE : 27 * RATE]
    assert not mixes.compare(heard, long, 0).same


@pytest.mark.parametrize(("begin", "seconds"), [(20, 20.0), (65, 10.0), (41, 4.0), (90, 1.2)])
def test_a_file_that_is_silent_where_the_song_sounds_is_no_copy_of_it(
    begin: int, seconds: float, long: Reference
) -> None:
    heard = long.mixture.copy()
    heard[begin * RATE : round((begin + seconds) * RATE)] = 0
    assert not mixes.compare(heard, long, 0).same


@pytest.mark.parametrize("silent", [0, 8])
def test_a_fade_out_is_the_same_and_so_is_silence_after_it(silent: int, long: Reference) -> None:
    level = np.clip((len(long.mixture) / RATE - silent - np.arange(len(long.mixture)) / RATE) / 20, 0, 1)
    found = mixes.compare((long.mixture * level).astype(np.float32), long, 0)
    assert found.same, found


def test_a_quiet_beginning_of_another_song_is_no_mix_of_it(long: Reference) -> None:
    """At -20 dB; the prints of 16 s of 120 may differ."""
    level = np.where(np.arange(long.sounds.shape[1]) < 16 * RATE, 0.1, 1)
    quiet = Reference(long.names, (long.sounds * level).astype(np.float32))
    heard = quiet.mixture.copy()
    heard[: 16 * RATE] = 0.1 * long.mixture[22 * RATE : 38 * RATE]
    assert not mixes.compare(heard, quiet, 0).same
    hiss = np.random.default_rng(3).normal(0, 0.1, heard.shape) * np.sqrt(np.mean(quiet.mixture**2))
    assert mixes.compare((quiet.mixture + hiss).astype(np.float32), quiet, 0).same


def during(sound: Samples, begin: int, end: int) -> Samples:
    part = np.zeros_like(sound)
    part[:, begin * SAMPLE_RATE : end * SAMPLE_RATE] = sound[:, begin * SAMPLE_RATE : end * SAMPLE_RATE]
    return part


def test_upside_down_is_the_same(compared: Callable[..., Mix], song: Samples) -> None:
    assert compared(-song, "-b:a", "64k", suffix="mp3").same


@pytest.mark.thorough
def test_a_long_song_is_heard_to_its_end_piece_by_piece(
    compared: Callable[..., Mix], parts: Parts, song: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixes, "LONGEST", round(SECONDS / 2 * RATE))
    assert compared(song, "-b:a", "64k", suffix="mp3").same
    assert compared(song - during(parts["drums"], 20, 40)).without == ("drums",)


@pytest.mark.thorough
@pytest.mark.parametrize("late", [0.0123, 5.0, -3.0])
def test_where_it_begins_is_known_within_a_millisecond(
    late: float, compared: Callable[..., Mix], song: Samples
) -> None:
    quiet = silence(max(0.0, late))
    moved = np.concatenate([quiet, song[:, round(max(0.0, -late) * SAMPLE_RATE) :]], axis=1)
    found = compared(moved, "-b:a", "64k", suffix="mp3", near=late + 0.06)
    assert found.same
    assert found.alignment
    assert found.alignment.milliseconds == pytest.approx(late * 1000, abs=1)


def test_faster_is_not_the_same(compared: Callable[..., Mix], song: Samples) -> None:
    assert not compared(song, "-af", "asetrate=44321,aresample=44100").same


@pytest.mark.thorough
def test_without_stems_only_a_copy_without_loss_is_sure(
    compared: Callable[..., Mix], parts: Parts, song: Samples
) -> None:
    assert compared(song, stems=False).same
    lossy = compared(song, "-b:a", "48k", suffix="mp3", stems=False)
    assert (lossy.same, lossy.sure) == (False, False)
    assert not compared(song - parts["drums"], stems=False).same


@pytest.mark.parametrize("what", [silence(SECONDS), silence(0.01), music(SECONDS, seed=77)])
def test_what_is_something_else_is_never_the_same(what: Samples, compared: Callable[..., Mix]) -> None:
    assert not compared(what).same


def test_the_whiles_of_a_song_are_each_explained_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(5)
    frames = 6 * CELL
    stems = [(rng.standard_normal((frames, len(FREQUENCIES), 2)) @ [1, 1j]).astype(np.complex64) for _ in range(3)]
    stems[2][: 2 * CELL] = 0
    heard = (stems[0] + 0.5 * stems[1] + stems[2]).astype(np.complex64)
    heard[4 * CELL :] = 0  # cells that are left out
    (cells,) = Cells.of([heard], stems)
    together, errors = cells.whiles(4, 3).factors()
    for first in range(4):
        (alone,) = Cells.of(
            [heard[first * CELL : (first + 3) * CELL]], [one[first * CELL :][: 3 * CELL] for one in stems]
        )
        factors, error = alone.factors()
        np.testing.assert_allclose(together[first], factors, rtol=1e-6)
        np.testing.assert_allclose(errors[first], error, rtol=1e-6)
        np.testing.assert_allclose(cells.whiles(4, 3).shares()[first], alone.shares(), rtol=1e-6)
    assert cells.whiles(4, 3).mean_energy[3] == pytest.approx(cells.energy[cells.at == 3].mean())
