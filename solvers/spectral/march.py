"""Marching a batch of samples from stored time to stored time."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.exponential import Exponential
from pdemill.solvers.spectral.grid import PeriodicGrid, Spectra
from pdemill.solvers.spectral.symbols import Products, Symbols
from pdemill.solvers.spectral.transforms import gather, spread


class SpectralMarch:
    """A scheme at work on the equations of a batch, one row per sample.

    The number of rows is a multiple of ``grid.transforms.batch``; what a row comes to does not depend on the others.
    """

    left: Array | None = None

    def __init__(
        self, grid: PeriodicGrid, scheme: Exponential, products: Products | None, equations: Sequence[Symbols]
    ) -> None:
        self.grid, self.scheme, self.products = grid, scheme, products
        count = len(equations)
        self.linear = _stacked([one.linear for one in equations])
        self.weights = _stacked([one.weights for one in equations])
        self.forcing = _stacked([one.forcing for one in equations])
        self._parts: dict[float, tuple[NDArray[np.complex128], ...]] = {}
        self._work = np.empty((6, count, grid.modes), np.complex128)
        if products is not None:
            size = prod(grid.transforms.padded)
            self._padded = np.empty((len(products.factors), count, size), np.complex128)

    def tendency(self, u: Spectra, out: Spectra) -> None:
        """N(u) + f."""
        if self.products is None:
            out[...] = self.forcing
            return
        transforms, products = self.grid.transforms, self.products
        spread(u, products.factors, transforms.places, self._padded)
        fields = transforms.back(self._padded.reshape(-1, *transforms.padded))
        made = products.multiply(fields.reshape(len(products.factors), len(u), *transforms.shape))
        back = transforms.forth(made.reshape(-1, *transforms.shape))
        gather(back.reshape(len(made), len(u), -1), self.weights, transforms.places, self.forcing, out)

    def advance(self, u: Spectra, interval: float, steps: int) -> None:
        """Advance u in place by so many equal steps."""
        step = interval / steps
        parts = self._parts.get(step)
        if parts is None:
            parts = self._parts[step] = self._coefficients(step)
        for _ in range(steps):
            self.scheme.step(u, parts, self.tendency, self._work)

    def _coefficients(self, step: float) -> tuple[NDArray[Any], ...]:
        """The coefficients of a step, sample by sample: the last bits of numpy's complex products depend on the length
        of arrays."""
        rows = [self.scheme.coefficients(linear, step) for linear in self.linear]
        return tuple(np.stack(parts) for parts in zip(*rows, strict=True))


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """[1, ...] where all samples share one array, else [samples, ...]."""
    if all(part is parts[0] for part in parts):
        return np.ascontiguousarray(parts[0][None])
    return np.stack(parts)
