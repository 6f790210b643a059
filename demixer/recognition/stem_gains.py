"""How loud each stem of a song is in a file: alternating least squares over the tiles of both spectra.

The model: `file(tile) = gain(tile) * sum(gain(stem) * stem(tile))`. A tile is one band for `TILE_FRAMES` frames. The
gain of a tile stands for what codecs, equalisers, volume and limiters do; the gain of a stem is constant for the whole
song.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition import thresholds
from demixer.recognition.stft import BANDS, Floats, Spectrum


@dataclass(frozen=True, slots=True, eq=False)
class TileProducts:
    """For each tile the inner products of the stems with each other and with the file, and the file's energy.

    Of a whole song, or of many windows of it, which adds one axis in front of all shapes.
    """

    stems: Floats  # shape (tiles, stems, stems)
    cross: Floats  # shape (tiles, stems)
    energy: Floats  # shape (tiles,)
    time: NDArray[np.intp]  # shape (tiles,): the start of each tile, in units of `TILE_FRAMES`
    size: int  # real numbers in a tile, on average

    @classmethod
    def of(cls, files: list[Spectrum], stems: list[Spectrum]) -> "list[TileProducts]":
        """One for each file; all spectra are of one length. Tiles without sound are left out."""
        count = max(1, len(files[0]) // thresholds.TILE_FRAMES)
        length = min(thresholds.TILE_FRAMES, len(files[0]))
        by_band = [_products(files, stems, count, length, band) for band in BANDS]
        products, cross, energies = (np.concatenate(one) for one in zip(*by_band, strict=True))
        time = np.tile(np.arange(count), len(BANDS))
        size = 2 * length * (BANDS[-1].stop - BANDS[0].start) // len(BANDS)
        found = []
        for number in range(len(files)):
            energy = energies[:, number]
            sounding = (energy > thresholds.MIN_TILE_ENERGY * energy.max()) & (np.trace(products, axis1=1, axis2=2) > 0)
            found.append(cls(products[sounding], cross[..., number][sounding], energy[sounding], time[sounding], size))
        return found

    def windows(self, count: int, length: int) -> "TileProducts":
        """The tiles of `count` windows of `length` tile lengths, which begin one tile length after each other.

        Shapes (count, tiles, ...). Windows with fewer tiles are filled up with silence.
        """
        members = [np.flatnonzero((self.time >= first) & (self.time < first + length)) for first in range(count)]
        index = np.full((count, max(map(len, members))), len(self.energy))
        for row, member in zip(index, members, strict=True):
            row[: len(member)] = member
        stems, cross, energy = (
            np.append(one, np.zeros((1, *one.shape[1:])), axis=0)[index]
            for one in (self.stems, self.cross, self.energy)
        )
        return TileProducts(stems, cross, energy, np.append(self.time, -1)[index], self.size)

    def stem_gains(self) -> tuple[Floats, Floats]:
        """The gain of each stem, with a mean square of 1, and its standard error. Shapes (..., stems).

        A tile counts by how well it is explained, but none for more than one that is explained to 20 dB.
        """
        count = self.cross.shape[-1]
        gains = np.ones((*self.cross.shape[:-2], count))
        for _ in range(thresholds.LEAST_SQUARES_ITERATIONS):
            tile_gains, weights = self._tile_gains(gains)
            normal = np.einsum("...c,...cij->...ij", weights * tile_gains**2, self.stems)
            normal += (1e-9 * np.trace(normal, axis1=-2, axis2=-1) + 1e-12)[..., None, None] * np.eye(count)
            explained = np.einsum("...c,...ci->...i", weights * tile_gains, self.cross)
            gains = np.linalg.solve(normal, explained[..., None])[..., 0]
            scale = np.sqrt(np.mean(gains**2, axis=-1, keepdims=True)) + 1e-12
            gains = gains / scale
        return gains, np.sqrt(np.diagonal(np.linalg.inv(normal), axis1=-2, axis2=-1)) / scale

    def energy_shares(self) -> Floats:
        """Of each stem, its share of the energy of all stems. Shape (..., stems)."""
        energies = np.einsum("...cii->...i", self.stems)
        shares: Floats = energies / np.maximum(energies.sum(axis=-1, keepdims=True), 1e-12)
        return shares

    @property
    def mean_energy(self) -> Floats:
        """Of the tiles with sound; of each window."""
        mean: Floats = self.energy.sum(axis=-1) / np.maximum((self.energy > 0).sum(axis=-1), 1)
        return mean

    def _tile_gains(self, gains: Floats) -> tuple[Floats, Floats]:
        """The best gain of each tile for these stem gains, and its weight: 1 / residual. Shapes (..., tiles)."""
        explained = np.einsum("...ci,...i->...c", self.cross, gains)
        power = np.maximum(np.einsum("...i,...cij,...j->...c", gains, self.stems, gains), 1e-12)
        tile_gains = np.maximum(explained / power, 0)
        residual = np.maximum(self.energy - 2 * tile_gains * explained + tile_gains**2 * power, 0)
        floor = thresholds.MIN_TILE_RESIDUAL * self.energy
        return tile_gains, (tile_gains > 0) / np.maximum((residual + floor) / self.size, 1e-30)


def _products(
    files: list[Spectrum], stems: list[Spectrum], count: int, length: int, band: slice
) -> tuple[Floats, Floats, Floats]:
    """Of the tiles of one band. Shapes (count, stems, stems), (count, stems, files) and (count, files)."""

    def tiles(spectra: list[Spectrum]) -> NDArray[np.float32]:
        parts = np.empty((count, len(spectra), length * (band.stop - band.start)), dtype=np.complex64)
        for number, spectrum in enumerate(spectra):
            parts[:, number] = spectrum[: count * length, band].reshape(count, -1)
        return parts.view(np.float32)

    stem_tiles, file_tiles = tiles(stems), tiles(files)
    products, cross = stem_tiles @ stem_tiles.transpose(0, 2, 1), stem_tiles @ file_tiles.transpose(0, 2, 1)
    energies = (file_tiles**2).sum(axis=2)
    return products.astype(np.float64), cross.astype(np.float64), energies.astype(np.float64)
