"""Another way to march, for checks: it shares no symbols, transforms, kernels or scheme with the one that is checked.

Products in their convective form on a grid with twice the points, numpy's transforms, and the integrating factor method
with the classical Runge-Kutta scheme (Trefethen 2000, "Spectral methods in MATLAB", program 27).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdemill.points import Array
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.symbols import numbers
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]


class OtherMarch:
    """The equation of one sample on full complex spectra of a periodic grid; those that ``grid`` drops are 0."""

    def __init__(self, terms: Terms, grid: PeriodicGrid) -> None:
        self.grid, self.terms = grid, terms
        lines = [
            2.0 * np.pi / length * np.rint(np.fft.fftfreq(n, 1.0 / n))
            for n, length in zip(grid.shape, grid.lengths, strict=True)
        ]
        self.waves = np.meshgrid(*lines, indexing="ij")
        kept = [np.abs(np.rint(np.fft.fftfreq(n, 1.0 / n))) <= cut for n, cut in zip(grid.shape, grid.cut, strict=True)]
        self.kept = np.logical_and.reduce(np.meshgrid(*kept, indexing="ij"))
        self.laplacian = -np.asarray(sum(np.square(wave) for wave in self.waves))
        self.linear = self._linear()
        fine = grid.refined
        source = np.broadcast_to(np.asarray(terms.source(fine.points), dtype=np.float64), fine.shape)
        self.force = self._restricted(np.fft.fftn(source, norm="forward"))
        self.force[(0,) * grid.dimension] *= terms.vorticity_advection is None

    def _linear(self) -> Complex:
        terms = self.terms
        total = np.zeros(self.grid.shape, np.complex128)
        for axis, wave in enumerate(self.waves):
            k = numbers(terms.diffusion)
            total -= k[axis if len(k) > 1 else 0] * np.square(wave)
            for speeds in (terms.convection, terms.advection):
                if speeds:
                    total -= 1j * numbers(speeds)[axis] * wave
        if terms.reaction is not None:
            total -= numbers((terms.reaction,))[0]
        if terms.hyperdiffusion is not None:
            total -= numbers((terms.hyperdiffusion,))[0] * np.square(self.laplacian)
        return total

    def march(self, fields: Array, interval: float, steps: int) -> Array:
        """The state ``fields`` after an interval, in so many steps."""
        u = np.fft.fftn(fields, norm="forward") * self.kept
        h = interval / steps
        half = np.exp(0.5 * h * self.linear)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                a = h * self._rest(u)
                b = h * self._rest(half * (u + 0.5 * a))
                c = h * self._rest(half * u + 0.5 * b)
                d = h * self._rest(half * (half * u + c))
                u = half * (half * (u + a / 6.0) + (b + c) / 3.0) + d / 6.0
            return np.ascontiguousarray(np.fft.ifftn(u, norm="forward").real)

    def _rest(self, u: Complex) -> Complex:
        """The source and what is not linear."""
        total = self.force.copy()
        if self.terms.self_advection is not None:
            (s,) = numbers((self.terms.self_advection,))
            slopes = sum(self._values(1j * wave * u) for wave in self.waves)
            total -= s * self._coefficients(self._values(u) * slopes)
        if self.terms.vorticity_advection is not None:
            (a,) = numbers((self.terms.vorticity_advection,))
            psi = np.divide(u, -self.laplacian, out=np.zeros_like(u), where=self.laplacian != 0.0)
            x, y = self._values(1j * self.waves[1] * psi), -self._values(1j * self.waves[0] * psi)
            slopes = x * self._values(1j * self.waves[0] * u) + y * self._values(1j * self.waves[1] * u)
            total -= a * self._coefficients(slopes)
        return total

    def _values(self, u: Complex) -> Array:
        """Real values on the grid with twice the points."""
        shape = self.grid.shape
        fine = np.zeros(tuple(2 * n for n in shape), np.complex128)
        fine[self._places()] = u
        return np.ascontiguousarray(np.fft.ifftn(fine, norm="forward").real)

    def _coefficients(self, values: Array) -> Complex:
        return self._restricted(np.fft.fftn(values, norm="forward"))

    def _restricted(self, fine: Complex) -> Complex:
        return np.where(self.kept, fine[self._places()], 0.0)

    def _places(self) -> tuple[NDArray[np.intp], ...]:
        """Where the modes of the grid are among those of the finer one."""
        index = [np.rint(np.fft.fftfreq(n, 1.0 / n)).astype(np.intp) % (2 * n) for n in self.grid.shape]
        return np.ix_(*index)
