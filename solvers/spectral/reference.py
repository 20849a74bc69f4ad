"""Another way to march, for checks: it shares no symbols, transforms, kernels or scheme with the one that is checked.

Products in their convective form on a grid with twice the points, numpy's transforms, and the integrating factor method
with the classical Runge-Kutta scheme (Trefethen 2000, "Spectral methods in MATLAB", program 27).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pdemill.errors import FamilyError
from pdemill.points import Array
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.symbols import numbers
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]
KNOWN = {
    "diffusion", "convection", "advection", "reaction", "spectral_viscosity", "dispersion", "hyperdiffusion",
    "self_advection", "vorticity_advection", "law", "potential", "oscillation", "source", "initial",
}  # fmt: skip


def linear_rates(terms: Terms, waves: Sequence[Array], lengths: Sequence[float]) -> Complex:
    """L of u_t = L u + ..., for every mode of one unknown. Raises FamilyError for a term that is none of those told
    here."""
    if unknown := {name for name, _ in terms.present()} - KNOWN:
        raise FamilyError(f"nothing checks the {', '.join(sorted(unknown))} of an equation on periodic boxes")
    squared = sum(np.square(wave) for wave in waves)
    total = np.zeros(np.shape(squared), np.complex128)
    for axis, wave in enumerate(waves):
        k = numbers(terms.diffusion)
        total -= k[axis if len(k) > 1 else 0] * np.square(wave)
        for speeds in (terms.convection, terms.advection):
            if speeds:
                total -= 1j * numbers(speeds)[axis] * wave
        if terms.dispersion is not None:
            total -= numbers((terms.dispersion,))[0] * (1j * wave) ** 3
    if terms.reaction is not None:
        total -= numbers((terms.reaction,))[0]
    if terms.hyperdiffusion is not None:
        total -= numbers((terms.hyperdiffusion,))[0] * np.square(squared)
    if terms.spectral_viscosity:
        viscosity, most = numbers(terms.spectral_viscosity)
        counts = [np.rint(wave * length / (2.0 * np.pi)) for wave, length in zip(waves, lengths, strict=True)]
        short = np.hypot.reduce(counts) > most
        total[short] -= viscosity * np.asarray(squared)[short]
    return total


def quadratic_rates(
    terms: Terms, u: Complex, waves: Sequence[Array], values: Callable[[Complex], Array],
    coefficients: Callable[[Array], Complex],
) -> Complex:  # fmt: skip
    """N(u) of one unknown in its convective form; ``values``: from coefficients to points, ``coefficients``: back."""
    total = np.zeros_like(u)
    if terms.self_advection is not None:
        (s,) = numbers((terms.self_advection,))
        total -= s * coefficients(values(u) * values(1j * np.asarray(sum(waves)) * u))
    if terms.vorticity_advection is not None:
        (a,) = numbers((terms.vorticity_advection,))
        squared = np.asarray(sum(np.square(wave) for wave in waves))
        psi = np.divide(u, squared, out=np.zeros_like(u), where=squared != 0.0)
        x, y = values(1j * waves[1] * psi), -values(1j * waves[0] * psi)
        total -= a * coefficients(x * values(1j * waves[0] * u) + y * values(1j * waves[1] * u))
    return total


class OtherMarch:
    """The equations of one sample, for all components of its unknowns, on full complex spectra of a periodic grid;
    those that ``grid`` drops are 0. ``names``: those of the components in laws."""

    def __init__(self, terms: Terms, grid: PeriodicGrid, names: Sequence[str] = ("u",)) -> None:
        self.names = names
        self.grid, self.terms = grid, (replace(terms, others=()), *terms.others)
        lines = [
            2.0 * np.pi / length * np.rint(np.fft.fftfreq(n, 1.0 / n))
            for n, length in zip(grid.shape, grid.lengths, strict=True)
        ]
        self.waves = np.meshgrid(*lines, indexing="ij")
        kept = [np.abs(np.rint(np.fft.fftfreq(n, 1.0 / n))) <= cut for n, cut in zip(grid.shape, grid.cut, strict=True)]
        self.kept = np.logical_and.reduce(np.meshgrid(*kept, indexing="ij"))
        self.squared = np.asarray(sum(np.square(wave) for wave in self.waves))
        self.linear = np.stack([linear_rates(one, self.waves, grid.lengths) for one in self.terms])
        self.force = np.stack([self._force(one) for one in self.terms])

    def _force(self, terms: Terms) -> Complex:
        fine = self.grid.refined
        source = np.broadcast_to(np.asarray(terms.source(fine.points), dtype=np.float64), fine.shape)
        force = self._coefficients(source)
        force[(0,) * self.grid.dimension] *= terms.vorticity_advection is None
        return force

    def march(self, fields: Array, interval: float, steps: int) -> Array:
        """The state ``fields`` [components, *shape], of one component [*shape] too, after an interval, in so many
        steps."""
        axes = tuple(range(1, 1 + self.grid.dimension))
        u = np.fft.fftn(fields.reshape(-1, *self.grid.shape), axes=axes, norm="forward") * self.kept
        h = interval / steps
        half = np.exp(0.5 * h * self.linear)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                a = h * self._rest(u)
                b = h * self._rest(half * (u + 0.5 * a))
                c = h * self._rest(half * u + 0.5 * b)
                d = h * self._rest(half * (half * u + c))
                u = half * (half * (u + a / 6.0) + (b + c) / 3.0) + d / 6.0
            return np.ascontiguousarray(np.fft.ifftn(u, axes=axes, norm="forward").real).reshape(fields.shape)

    def _rest(self, u: Complex) -> Complex:
        """The sources and what is not linear."""
        parts = [
            quadratic_rates(terms, part, self.waves, self._values, self._coefficients)
            for terms, part in zip(self.terms, u, strict=True)
        ]
        terms = self.terms[0]
        for function in (terms.law, *terms.potential[1:]):
            if function is None:
                continue
            assert isinstance(function, LawFunction)
            known = dict(zip(self.names, map(self._values, u), strict=True))
            made = [self._coefficients(values) for values in function.at(self.grid.refined.points, known)]
            for part, gained in zip(parts, made, strict=True):
                part -= gained if function is terms.law else numbers(terms.potential[:1])[0] * self.squared * gained
        if terms.oscillation:
            speed, function = terms.oscillation
            assert isinstance(function, LawFunction)
            (pulled,) = function.at(self.grid.refined.points, {self.names[0]: self._values(u[0])})
            parts[0] += u[1]
            parts[1] -= numbers((speed,))[0] ** 2 * self.squared * u[0] + self._coefficients(pulled)
        return self.force + np.stack(parts)

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
