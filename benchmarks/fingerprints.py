"""Fingerprints for benchmarks: of real tracks and their transcodes, and millions of synthetic ones made from them.

A synthetic song is runs of 16 real items, each XORed with a sparse random mask, sparse enough that two items of
different songs are equal as often as in real music: 8.6e-9 of all pairs, measured on 615,000 items of 336 songs.
"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from demixer.adapters.common.hit_counts import KeyHashes
from demixer.recognition.fingerprint import HALF_HOP_SAMPLES, SAMPLE_RATE, Fingerprint, Items, hash_items
from tests import music

SEED = 20_240_601
RUN = 16  # items
RUNS = 119  # a song: 1,904 items, 4 minutes
BITS, SHARES = (3, 4), (0.65, 0.35)  # of a mask: gives 8e-9 with the 31 tracks of `tests.music`
MASKS = 1 << 16
BATCH = 250  # songs that are made together: 2 MB
SECONDS_AN_ITEM = 0.1238

TRANSFORMS = {
    "mp3 128": ("mp3", "-b:a", "128k"),
    "mp3 32": ("mp3", "-b:a", "32k"),
    "opus 24": ("opus", "-b:a", "24k"),
    "wma 64": ("wma", "-b:a", "64k"),
    "half a hop cut": ("flac", "-af", "atrim=start=0.0619"),
    "5 s of silence": ("flac", "-af", "adelay=5000:all=1"),
    "10 s cut": ("flac", "-af", "atrim=start=10"),
}


class Synthetic:
    """Songs from a stock of real items; the same numbers give the same songs."""

    def __init__(self, stock: Items) -> None:
        random = np.random.default_rng(SEED)
        self._runs = sliding_window_view(stock, RUN)
        sizes = random.choice(BITS, MASKS, p=SHARES)
        order = random.random((MASKS, 32)).argsort(axis=1)
        self._masks = np.where(order < sizes[:, None], np.uint32(1) << np.arange(32, dtype=np.uint32), 0).sum(axis=1)
        self._masks = self._masks.astype(np.uint32)

    def items(self, batch: int) -> Items:
        """Of `BATCH` songs, one a row."""
        random = np.random.default_rng((SEED, batch))
        real: Items = self._runs[random.integers(0, len(self._runs), (BATCH, RUNS))].reshape(BATCH, -1)
        masks: Items = self._masks[random.integers(0, MASKS, real.shape, dtype=np.uint16)]
        return real ^ masks

    def songs(self, count: int) -> Iterator[tuple[str, KeyHashes]]:
        """Ids and key hashes, as `hit_counts.key_hashes_of` gives them."""
        for number in range(count):
            if number % BATCH == 0:
                hashes = _key_hashes(self.items(number // BATCH))
            yield song_id(number), hashes[number % BATCH]


def song_id(number: int) -> str:
    return f"{number:020x}"


def stored(items: Items) -> bytes:
    return Fingerprint(items, len(items) * SECONDS_AN_ITEM).to_bytes()


def changed(items: Items, random: np.random.Generator, kept: float) -> Items:
    """What a lossy encoding leaves: `kept` of the items equal in all bits."""
    wrong = np.uint32(1) << random.integers(0, 32, len(items), dtype=np.uint32)
    return np.where(random.random(len(items)) < kept, items, items ^ wrong)


def alignment_variants(path: Path) -> tuple[bytes, bytes]:
    """The fingerprint of a file, and its half-hop variant."""
    return stored(_fingerprint_items(path, 0)), stored(_fingerprint_items(path, HALF_HOP_SAMPLES))


def originals() -> dict[str, Items]:
    """Of the real tracks, by file name, the longest first."""
    paths = sorted(music.tracks(), key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(2) as pool:
        fingerprints = pool.map(lambda path: _fingerprint_items(path, 0), paths)
        return {str(path): items for path, items in zip(paths, fingerprints, strict=True)}


def transcodes(paths: list[str]) -> Iterator[tuple[str, str, tuple[bytes, bytes]]]:
    """Name of the transform, path of the original, and both alignment variants of the transcode."""
    wanted = [(name, path) for name in TRANSFORMS for path in paths]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def made(at: int) -> tuple[bytes, bytes]:
            name, path = wanted[at]
            suffix, *options = TRANSFORMS[name]
            return alignment_variants(music.converted(Path(path), Path(folder) / f"{at}.{suffix}", *options))

        for (name, path), variants in zip(wanted, pool.map(made, range(len(wanted))), strict=True):
            yield name, path, variants


def _fingerprint_items(path: Path, skipped: int) -> Items:
    cut = f"aresample={SAMPLE_RATE},atrim=start_sample={skipped}"
    sound = ("-i", str(path), "-map", "0:a:0", "-ac", "1", "-af", cut)
    raw = music.ffmpeg(*sound, "-f", "chromaprint", "-algorithm", "1", "-fp_format", "raw", "-")
    return np.frombuffer(raw, dtype="<u4").astype(np.uint32)


def _key_hashes(items: Items) -> list[KeyHashes]:
    hashes = hash_items(items)
    song, at = np.nonzero((hashes & np.uint32(15)) == 0)
    chosen = np.unique(song.astype(np.uint64) << np.uint64(32) | hashes[song, at] >> np.uint32(4))
    edges: NDArray[np.intp] = np.searchsorted(chosen, np.arange(1, len(items), dtype=np.uint64) << np.uint64(32))
    return np.split(chosen.astype(np.uint32), edges)
