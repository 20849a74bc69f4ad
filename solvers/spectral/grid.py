"""Periodic grids, and the trigonometric polynomials on them that the 2/3 rule keeps."""

from __future__ import annotations

from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from pdemill.points import AXES, Array, TensorPoints
from pdemill.solvers.spectral.transforms import Transforms

type Spectra = NDArray[np.complex128]
"""Coefficients c_k of sum_k c_k exp(i k x), the kept ones: [samples, modes]."""


class PeriodicGrid:
    """n points x_j = j L / n along every axis, and the modes with |k| <= (n - 1) / 3.

    Products of two polynomials of these modes are free of aliasing on the grid (Orszag 1971, "On the elimination of
    aliasing", J. Atmos. Sci. 28, 1074). Real functions have c_(-k) = conj(c_k): half of the modes, those with k >= 0
    along the last axis, stand for all.
    """

    def __init__(self, shape: tuple[int, ...], lengths: tuple[float, ...]) -> None:
        self.shape, self.lengths, self.dimension = shape, lengths, len(shape)
        self.axes = AXES[: self.dimension]
        self.cut = tuple((n - 1) // 3 for n in shape)
        self.numbers = tuple(_numbers(cut, last=axis == self.dimension - 1) for axis, cut in enumerate(self.cut))
        self.modes = prod(len(numbers) for numbers in self.numbers)
        self.transforms = Transforms(shape, self.numbers)
        nodes: dict[str, Array] = {
            name: np.asarray(np.arange(n) * (length / n), np.float64)
            for name, n, length in zip(self.axes, shape, lengths, strict=True)
        }
        self.nodes = nodes
        self.points = TensorPoints(nodes, dict(zip(self.axes, lengths, strict=True)))

    @cached_property
    def waves(self) -> tuple[Array, ...]:
        """The angular wave number of every mode along each axis, [modes] each."""
        lines = [2.0 * np.pi / length * numbers for length, numbers in zip(self.lengths, self.numbers, strict=True)]
        return tuple(np.ascontiguousarray(part.ravel()) for part in np.meshgrid(*lines, indexing="ij"))

    @cached_property
    def squared(self) -> Array:
        """|k|^2 of every mode."""
        return np.asarray(sum(np.square(wave) for wave in self.waves))

    @cached_property
    def inverse_squared(self) -> Array:
        """1 / |k|^2 of every mode, 0 for the mean."""
        return np.divide(1.0, self.squared, out=np.zeros(self.modes), where=self.squared > 0.0)

    @cached_property
    def multiplicity(self) -> Array:
        """How many modes of a real function each kept one stands for."""
        last = np.where(self.numbers[-1] > 0, 2.0, 1.0)
        return np.ascontiguousarray(np.broadcast_to(last, tuple(map(len, self.numbers))).ravel())

    @cached_property
    def smallest(self) -> NDArray[np.bool_]:
        """The modes in the last third along some axis."""
        scaled = [np.abs(numbers) / max(cut, 1) for numbers, cut in zip(self.numbers, self.cut, strict=True)]
        return np.asarray(np.max(np.meshgrid(*scaled, indexing="ij"), axis=0).ravel() > 2.0 / 3.0)

    def spectra(self, fields: Array) -> Spectra:
        """The kept coefficients of real fields [samples, *shape]."""
        return self.transforms.coefficients(fields)

    def fields(self, spectra: Spectra) -> Array:
        """The real fields [samples, *shape] of kept coefficients."""
        return self.transforms.fields(spectra)

    def tail(self, spectra: Spectra) -> Array:
        """The share of the modes in the last third in the 2-norm of what varies, [...]; 0 where nothing does, infinite
        where that is not finite."""
        energy = np.square(np.abs(spectra)) * self.multiplicity
        varying = energy[..., 1:].sum(axis=-1)
        small = energy[..., self.smallest].sum(axis=-1)
        share = np.sqrt(np.divide(small, varying, out=np.zeros_like(varying), where=varying > 0.0))
        return np.asarray(np.where(np.isfinite(varying), share, np.inf))

    def projected(self, values: Array | float) -> Spectra:
        """The kept coefficients, [modes], of a function with these values at the points of the refined grid."""
        if np.ndim(values) == 0:
            found = np.zeros(self.modes, np.complex128)
            found[0] = values
            return found
        array = np.ascontiguousarray(np.broadcast_to(values, self.refined.shape), dtype=np.float64)
        return np.asarray(self.refined.spectra(array[None])[0][self.places_in_refined])

    def shaken(self, spectra: Spectra, size: float) -> Spectra:
        """The coefficients of functions, one after the other, with a small change of that relative size in all
        directions alike."""
        turns = np.exp(2j * np.pi * np.modf(np.arange(spectra.size) * 0.6180339887498949)[0])
        found: Spectra = spectra.copy()
        for part, turned in zip(*(values.reshape(-1, self.modes) for values in (found, turns)), strict=True):
            whole = float(np.sqrt((np.square(np.abs(part[1:])) * self.multiplicity[1:]).sum()))
            part[1:] += size * whole / np.sqrt(part.size) * turned[1:]
        return found

    def level(self, spectra: Spectra) -> float:
        """The square of a mean over the 2-norm squared of what varies, the largest of some functions, one after the
        other; 0 for those that do not vary."""
        energy = np.square(np.abs(spectra.reshape(-1, self.modes))) * self.multiplicity
        varying = energy[:, 1:].sum(axis=1)
        return float(np.divide(energy[:, 0], varying, out=np.zeros(len(energy)), where=varying > 0.0).max())

    @cached_property
    def refined(self) -> PeriodicGrid:
        """The grid with twice the points along every axis."""
        return PeriodicGrid(tuple(2 * n for n in self.shape), self.lengths)

    @cached_property
    def places_in_refined(self) -> NDArray[np.intp]:
        """Where the modes of this grid are among those of the refined one."""
        return self.places_in(self.refined)

    def places_in(self, finer: PeriodicGrid) -> NDArray[np.intp]:
        """Where the modes of this grid are among those of a grid that has them all."""
        index = [numbers % len(others) for numbers, others in zip(self.numbers[:-1], finer.numbers[:-1], strict=True)]
        where = np.meshgrid(*index, self.numbers[-1], indexing="ij")
        return np.ravel_multi_index(tuple(part.ravel() for part in where), tuple(map(len, finer.numbers)))


def _numbers(cut: int, last: bool) -> NDArray[np.intp]:
    """Wave numbers of one axis in the order of transforms: 0 .. cut, then -cut .. -1 but along the last axis."""
    return np.arange(cut + 1) if last else np.concatenate([np.arange(cut + 1), np.arange(-cut, 0)])
