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
from pdemill.points import Array, Points
from pdemill.solvers.fields.law import LawFunction
from pdemill.solvers.spectral.grid import PeriodicGrid
from pdemill.solvers.spectral.layered_reference import layered_rates
from pdemill.solvers.spectral.symbols import numbers
from pdemill.solvers.symbolic.equations import EquationsFunction
from pdemill.solvers.symbolic.rates import finer_for, written_linear, written_rates
from pdemill.spec.field import Function
from pdemill.spec.terms import Terms

type Complex = NDArray[np.complex128]
KNOWN = {
    "diffusion", "convection", "advection", "reaction", "spectral_viscosity", "dispersion", "hyperdiffusion",
    "self_advection", "vorticity_advection", "passive_advection", "velocity_advection", "planetary", "law", "potential",
    "oscillation", "layered", "deformation", "equations", "source", "initial",
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
    if terms.planetary is not None:
        psi = np.divide(1.0, squared, out=np.zeros(np.shape(squared)), where=np.asarray(squared) != 0.0)
        total -= numbers((terms.planetary,))[0] * (-1j * waves[0] * psi)
    if terms.spectral_viscosity:
        viscosity, most = numbers(terms.spectral_viscosity)
        counts = [np.rint(wave * length / (2.0 * np.pi)) for wave, length in zip(waves, lengths, strict=True)]
        short = np.hypot.reduce(counts) > most
        total[short] -= viscosity * np.asarray(squared)[short]
    return deformed(total, terms, waves)


def deformed(rates: Complex, terms: Terms, waves: Sequence[Array]) -> Complex:
    """What u_t is of (u + psi / r^2)_t, with a radius of deformation r: the part 1 - 1 / (1 + r^2 k^2)."""
    if terms.deformation is None:
        return rates
    (radius,) = numbers((terms.deformation,))
    return rates * (1.0 - 1.0 / (1.0 + radius**2 * np.asarray(sum(np.square(wave) for wave in waves))))


def quadratic_rates(
    each: Sequence[Terms], parts: Sequence[Complex], waves: Sequence[Array], values: Callable[[Complex], Array],
    coefficients: Callable[[Array], Complex],
) -> list[Complex]:  # fmt: skip
    """N(u) of all unknowns, of the ``terms`` of each, in its convective form; ``values``: from coefficients to points,
    ``coefficients``: back."""

    def carried(velocity: Sequence[Array], u: Complex) -> Complex:
        return coefficients(np.asarray(sum(v * values(1j * k * u) for v, k in zip(velocity, waves, strict=True))))

    count = len(waves) if each[0].velocity_advection is not None else 0
    velocity = [values(u) for u in parts[:count]]
    found = []
    for terms, u in zip(each, parts, strict=True):
        total = np.zeros_like(u)
        if terms.self_advection is not None:
            (s,) = numbers((terms.self_advection,))
            total -= s * coefficients(values(u) * values(1j * np.asarray(sum(waves)) * u))
        for strength in (terms.vorticity_advection, terms.passive_advection):
            if strength is not None:
                total -= numbers((strength,))[0] * carried(velocity or _velocity(parts[0], waves, values), u)
        found.append(deformed(total, terms, waves))
    if each[0].layered:
        gained = layered_rates(each[0], parts, waves, values, coefficients)
        found = [one + more for one, more in zip(found, gained, strict=True)]
    if each[0].velocity_advection is not None:
        (a,) = numbers((each[0].velocity_advection,))
        pushed = without_divergence([carried(velocity, u) for u in parts[:count]], waves)
        found[:count] = [one - a * more for one, more in zip(found[:count], pushed, strict=True)]
    return found


def _velocity(vorticity: Complex, waves: Sequence[Array], values: Callable[[Complex], Array]) -> list[Array]:
    squared = np.asarray(sum(np.square(wave) for wave in waves))
    psi = np.divide(vorticity, squared, out=np.zeros_like(vorticity), where=squared != 0.0)
    return [values(1j * waves[1] * psi), -values(1j * waves[0] * psi)]


def without_divergence(parts: Sequence[Complex], waves: Sequence[Array]) -> list[Complex]:
    """The coefficients of a vector field less those of the gradient grad p with Lap p = div v; what comes after it
    stays as it is."""
    flow, others = parts[: len(waves)], parts[len(waves) :]
    squared = np.asarray(sum(np.square(wave) for wave in waves))
    divergence = np.asarray(sum(1j * wave * part for wave, part in zip(waves, flow, strict=True)))
    p = np.divide(divergence, -squared, out=np.zeros_like(divergence), where=squared != 0.0)
    return [*(part - 1j * wave * p for wave, part in zip(waves, flow, strict=True)), *others]


def has_laws(terms: Terms) -> bool:
    """Whether laws of the unknowns are among the terms."""
    return terms.law is not None or bool(terms.potential or terms.oscillation)


def law_rates(
    terms: Terms, names: Sequence[str], parts: Sequence[Complex], squared: Array, points: Points,
    values: Callable[[Complex], Array], coefficients: Callable[[Array], Complex],
) -> list[Complex]:  # fmt: skip
    """What laws bring into u_t of all unknowns, whose names they know; ``values``: from coefficients to these points,
    ``coefficients``: back."""

    def of(law: Function, known: Sequence[str]) -> list[Complex]:
        assert isinstance(law, LawFunction)
        found = law.at(points, {name: values(u) for name, u in zip(known, parts, strict=False)})
        return [coefficients(part) for part in found]

    total = [np.zeros_like(u) for u in parts]
    if terms.law is not None:
        total = [one - more for one, more in zip(total, of(terms.law, names), strict=True)]
    if terms.potential:
        mobility, law = terms.potential
        total[0] -= numbers((mobility,))[0] * squared * of(law, names)[0]
    if terms.oscillation:
        speed, law = terms.oscillation
        total[0] += parts[1]
        total[1] -= numbers((speed,))[0] ** 2 * squared * parts[0] + of(law, names[:1])[0]
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
        self.written = terms.equations if isinstance(terms.equations, EquationsFunction) else None
        self.finer = 2
        if self.written is not None:
            self.own = written_linear(self.written, self.waves)
            self.linear += self.own
            self.finer = finer_for(self.written)
        self.free = terms.velocity_advection is not None
        """Whether the first unknowns are a velocity without divergence."""
        self.force = self._freed(np.stack([self._force(one) for one in self.terms]))

    def _force(self, terms: Terms) -> Complex:
        fine = self.grid.refined
        source = np.broadcast_to(np.asarray(terms.source(fine.points), dtype=np.float64), fine.shape)
        force = self._restricted(np.fft.fftn(source, norm="forward"), 2)
        force[(0,) * self.grid.dimension] *= terms.vorticity_advection is None
        return deformed(force, terms, self.waves)

    def march(self, fields: Array, interval: float, steps: int) -> Array:
        """The state ``fields`` [components, *shape], of one component [*shape] too, after an interval, in so many
        steps."""
        axes = tuple(range(1, 1 + self.grid.dimension))
        u = self._freed(np.fft.fftn(fields.reshape(-1, *self.grid.shape), axes=axes, norm="forward") * self.kept)
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
        parts = quadratic_rates(self.terms, list(u), self.waves, self._values, self._coefficients)
        if self.written is not None:
            rates = written_rates(self.written, [self._values(part) for part in u], self.grid.lengths)
            parts = [part + self._coefficients(rate) for part, rate in zip(parts, rates, strict=True)]
            parts = [part - linear for part, linear in zip(parts, self.own * u, strict=True)]
        if has_laws(self.terms[0]):
            points = self.grid.refined.points
            gained = law_rates(
                self.terms[0], self.names, list(u), self.squared, points, self._values, self._coefficients
            )
            parts = [part + more for part, more in zip(parts, gained, strict=True)]
        return self.force + np.stack(parts)

    def _freed(self, parts: Complex) -> Complex:
        return np.stack(without_divergence(list(parts), self.waves)) if self.free else parts

    def _values(self, u: Complex) -> Array:
        """Real values on the finer grid."""
        fine = np.zeros(tuple(self.finer * n for n in self.grid.shape), np.complex128)
        fine[self._places(self.finer)] = u
        return np.ascontiguousarray(np.fft.ifftn(fine, norm="forward").real)

    def _coefficients(self, values: Array) -> Complex:
        return self._restricted(np.fft.fftn(values, norm="forward"), self.finer)

    def _restricted(self, fine: Complex, finer: int) -> Complex:
        return np.where(self.kept, fine[self._places(finer)], 0.0)

    def _places(self, finer: int) -> tuple[NDArray[np.intp], ...]:
        """Where the modes of the grid are among those of one with so many times the points."""
        index = [np.rint(np.fft.fftfreq(n, 1.0 / n)).astype(np.intp) % (finer * n) for n in self.grid.shape]
        return np.ix_(*index)
