"""How loud each stem of a song is in a file, by least squares."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demixer.recognition.alignment import Spectrum
from demixer.recognition.spectra import BANDS, Numbers

CELL = 80  # frames, 3.7 s, in which a band's gain stands still
ROUNDS = 12  # of the alternating least squares; they settle within six


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """For each moment and band: the inner products of the stems with each other and with the file, and its energy.

    Of a whole song, or of each of many `whiles`, by one more axis in front of all.
    """

    stems: Numbers  # shape (cells, stems, stems)
    common: Numbers  # shape (cells, stems)
    energy: Numbers  # shape (cells,)
    at: NDArray[np.intp]  # shape (cells,): when, in `CELL` frames
    size: int  # numbers in a cell, on average

    @classmethod
    def of(cls, files: list[Spectrum], stems: list[Spectrum]) -> "list[Cells]":
        """Of each file; all are of one length."""
        whole = max(1, len(files[0]) // CELL)
        length = min(CELL, len(files[0]))
        parts = [_products(files, stems, whole, length, band) for band in BANDS]
        products, common, energy = (np.concatenate(one) for one in zip(*parts, strict=True))
        at = np.tile(np.arange(whole), len(BANDS))
        size = 2 * length * (BANDS[-1].stop - BANDS[0].start) // len(BANDS)
        return [cls._sounding(products, common[..., n], energy[:, n], at, size) for n in range(len(files))]

    @classmethod
    def _sounding(cls, products: Numbers, common: Numbers, energy: Numbers, at: NDArray[np.intp], size: int) -> "Cells":
        sounding = (energy > 1e-6 * energy.max()) & (np.trace(products, axis1=1, axis2=2) > 0)
        return cls(products[sounding], common[sounding], energy[sounding], at[sounding], size)

    def whiles(self, count: int, length: int) -> "Cells":
        """The cells of each of `count` whiles, one axis more in front: `length` times `CELL` frames from the first, the
        second and so on. Shorter ones are filled up with silence."""
        members = [np.flatnonzero((self.at >= first) & (self.at < first + length)) for first in range(count)]
        index = np.full((count, max(map(len, members))), len(self.energy))
        for row, member in zip(index, members, strict=True):
            row[: len(member)] = member
        stems, common, energy = (
            np.append(one, np.zeros((1, *one.shape[1:])), axis=0)[index]
            for one in (self.stems, self.common, self.energy)
        )
        return Cells(stems, common, energy, np.append(self.at, -1)[index], self.size)

    def factors(self) -> tuple[Numbers, Numbers]:
        """One factor a stem, and its standard error: alternating least squares with one gain a cell.

        A cell counts by how well it is explained, but none for more than one that is explained to 20 dB.
        """
        stems = self.common.shape[-1]
        factors = np.ones((*self.common.shape[:-2], stems))
        for _ in range(ROUNDS):
            gains, weights = self._gains(factors)
            normal = np.einsum("...c,...cij->...ij", weights * gains**2, self.stems)
            normal += (1e-9 * np.trace(normal, axis1=-2, axis2=-1) + 1e-12)[..., None, None] * np.eye(stems)
            explained = np.einsum("...c,...ci->...i", weights * gains, self.common)
            factors = np.linalg.solve(normal, explained[..., None])[..., 0]
            scale = np.sqrt(np.mean(factors**2, axis=-1, keepdims=True)) + 1e-12
            factors = factors / scale
        return factors, np.sqrt(np.diagonal(np.linalg.inv(normal), axis1=-2, axis2=-1)) / scale

    def shares(self) -> Numbers:
        """Of each stem, in the energy of all cells."""
        energies = np.einsum("...cii->...i", self.stems)
        shares: Numbers = energies / np.maximum(energies.sum(axis=-1, keepdims=True), 1e-12)
        return shares

    @property
    def mean_energy(self) -> Numbers:
        """Of the cells that are not filled up; of each while."""
        mean: Numbers = self.energy.sum(axis=-1) / np.maximum((self.energy > 0).sum(axis=-1), 1)
        return mean

    def _gains(self, factors: Numbers) -> tuple[Numbers, Numbers]:
        explained = np.einsum("...ci,...i->...c", self.common, factors)
        power = np.maximum(np.einsum("...i,...cij,...j->...c", factors, self.stems, factors), 1e-12)
        gains = np.maximum(explained / power, 0)
        rest = np.maximum(self.energy - 2 * gains * explained + gains**2 * power, 0)
        return gains, (gains > 0) / np.maximum((rest + 0.01 * self.energy) / self.size, 1e-30)


def _products(
    files: list[Spectrum], stems: list[Spectrum], cells: int, length: int, band: slice
) -> tuple[Numbers, Numbers, Numbers]:
    """Shapes (cells, stems, stems), (cells, stems, files) and (cells, files)."""

    def numbers(spectra: list[Spectrum]) -> NDArray[np.float32]:
        parts = np.empty((cells, len(spectra), length * (band.stop - band.start)), dtype=np.complex64)
        for number, spectrum in enumerate(spectra):
            parts[:, number] = spectrum[: cells * length, band].reshape(cells, -1)
        return parts.view(np.float32)

    parts, whole = numbers(stems), numbers(files)
    products, common = parts @ parts.transpose(0, 2, 1), parts @ whole.transpose(0, 2, 1)
    return products.astype(np.float64), common.astype(np.float64), (whole**2).sum(axis=2).astype(np.float64)
